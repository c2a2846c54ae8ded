from flask import Flask

app = Flask(__name__)
app.config["SECRET_KEY"] = "the new key: at least 32 random bytes"
app.config["SECRET_KEY_FALLBACKS"] = ["the key before it"]
