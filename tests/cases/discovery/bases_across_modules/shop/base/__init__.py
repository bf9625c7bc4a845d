from .entity import Entity, Named
