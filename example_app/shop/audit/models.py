from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Timestamped, db


class AuditEvent(Timestamped, db.Model):
    __bind_key__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    action: Mapped[str] = mapped_column(String(40), index=True)
    detail: Mapped[dict[str, str]] = mapped_column(JSON)
