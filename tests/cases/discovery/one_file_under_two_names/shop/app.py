import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from flask import Flask

import models
from models import db

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
db.init_app(app)
