from .base import Entity, Named


class Person(Named, Entity):
    pass
