"""Check that a PostgreSQL database is reachable and not older than it was before anything is submitted."""

from app.engine.connection import Connection, last_version
from app.errors import Message, StoreDamaged, StoreLost, message


class PostgresGuard:
    """The state of the database as ``StoreGuard`` tells it of a file.

    A server that cannot be reached blocks writes until it answers; contents older than seen before (a backup,
    or a standby that had not received the last commits) block them until a restart.
    """

    def __init__(self) -> None:
        self._away: Message | None = None
        self._damage: Message | None = None
        self._version = 0  # the highest value of the change counter so far

    def problem(self) -> Message | None:
        """Why nothing may be submitted or written; None when there is no problem."""
        return self._damage or self._away

    def away(self) -> Message | None:
        """As ``problem``, but only while the server cannot be reached."""
        return self._away

    def watch(self, db: Connection) -> Message | None:
        """Ask the server for its change counter -> ``problem()``."""
        try:
            self._compare(db)
            self._away = None
        except StoreLost as lost:
            self.report(lost)
            self._away = lost.message
        return self.problem()

    def require(self, db: Connection) -> None:
        """Raises StoreLost or StoreDamaged when nothing may be submitted; call before each submission."""
        if not self._damage:
            self._compare(db)
        if self._damage:
            raise StoreDamaged(self._damage)

    def check(self) -> bool:
        """Nothing to check: the server verifies its own pages."""
        return False

    def report(self, error: BaseException) -> None:
        """Record a query's error; when it means damage, submissions are blocked from then on."""
        if isinstance(error, StoreDamaged):
            self._damage = self._damage or error.message

    def _compare(self, db: Connection) -> None:
        seen = self._version  # before the counter is read: other threads see later values meanwhile
        version = last_version(db)
        if version < seen:
            self._damage = message(
                "数据库的内容变旧了，像是恢复了旧的备份，或切换到了落后的备用服务器，不再下单："
                "请换回正确的数据库，再重新启动程序"
            )
        self._version = max(self._version, version)
