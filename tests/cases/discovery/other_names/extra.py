from shop import Entity, database as store


class Tag(Entity):
    id = store.Column(store.Integer, primary_key=True)
