from flask import Blueprint

from . import models

blueprint = Blueprint('users', __name__)
