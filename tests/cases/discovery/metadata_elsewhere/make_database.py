from shop import Base, create_app, db

with create_app().app_context():
    Base.metadata.create_all(db.engine)
