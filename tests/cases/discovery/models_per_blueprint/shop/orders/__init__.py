from flask import Blueprint

from . import models

blueprint = Blueprint('orders', __name__)
