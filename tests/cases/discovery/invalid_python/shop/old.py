from .database import db

class Old(db.Model):
    print 'python 2'
