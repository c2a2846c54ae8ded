from flask import Flask

app = Flask(__name__)
app.config["SECRET_KEY"] = "the same key as on www.example.org"
app.config["SESSION_COOKIE_DOMAIN"] = "example.org"
app.config["TRUSTED_HOSTS"] = ["live.example.org"]
app.config["WSGUARD_ALLOWED_ORIGINS"] = ["self", "https://www.example.org"]
