from flask_sqlalchemy import SQLAlchemy

reports = SQLAlchemy()


class Report(reports.Model):
    id = reports.Column(reports.Integer, primary_key=True)
