from flask import Flask

OLD, NEW = "the key until now: at least 32 random bytes", "the new key: at least 32 random bytes"

STEPS = [
    {"SECRET_KEY": OLD, "SECRET_KEY_FALLBACKS": [NEW]},  # 1. every worker learns the new key
    {"SECRET_KEY": NEW, "SECRET_KEY_FALLBACKS": [OLD]},  # 2. it signs
    {"SECRET_KEY": NEW, "SECRET_KEY_FALLBACKS": []},  # 3. nothing that the old one signed lives on
]

app = Flask(__name__)
app.config.update(STEPS[0])
