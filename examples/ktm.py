"""A resource manager and its client in Python, over the C API by KTM's names.

    python3 examples/ktm.py LIBRARY DIRECTORY

LIBRARY is libcairn_win32.so; DIRECTORY, which is made if need be, the log's. The resource manager
keeps a dictionary: what a transaction sets is held back until COMMIT, thrown away at ROLLBACK, and
lost with the process. (One that keeps its data writes it to its own log before PrepareComplete, and
finds there what to do when it is told COMMIT after RECOVER, which may be once more than before.)
Exit 0: the client saw what it should.
"""

import itertools
import sys
import threading
import uuid
from ctypes import CDLL, Structure, byref, c_char_p, c_int, c_int64, c_ubyte, c_uint32, c_void_p
from ctypes import c_wchar_p, sizeof

PREPARE, COMMIT, ROLLBACK, RECOVER, LAST_RECOVER = 0x2, 0x4, 0x8, 0x100, 0x2000
INFINITE, ERROR_ALREADY_EXISTS, ERROR_TRANSACTION_ALREADY_ABORTED = 0xFFFFFFFF, 183, 6704


class Notification(Structure):
    _fields_ = [("key", c_void_p), ("kind", c_uint32), ("clock", c_int64), ("size", c_uint32),
                ("padding", c_uint32), ("argument", c_ubyte * 32)]


class Ktm:
    """The functions of ktmw32.h; one that fails raises OSError(GetLastError(), text)."""

    HANDLE = {"CreateTransactionManager": [c_void_p, c_wchar_p, c_uint32, c_uint32],
              "CreateTransaction": [c_void_p, c_void_p] + 4 * [c_uint32] + [c_wchar_p],
              "CreateResourceManager": [c_void_p, c_char_p, c_uint32, c_void_p, c_wchar_p],
              "OpenResourceManager": [c_uint32, c_void_p, c_char_p],
              "CreateEnlistment": [c_void_p, c_void_p, c_void_p, c_uint32, c_uint32, c_void_p],
              "OpenEnlistment": [c_uint32, c_void_p, c_char_p]}
    BOOL = {"RecoverTransactionManager": [c_void_p], "RecoverResourceManager": [c_void_p],
            "GetNotificationResourceManager": [c_void_p, c_void_p, c_uint32, c_uint32, c_void_p],
            "RecoverEnlistment": 2 * [c_void_p], "PrepareComplete": 2 * [c_void_p],
            "CommitComplete": 2 * [c_void_p], "RollbackComplete": 2 * [c_void_p],
            "CommitTransaction": [c_void_p], "RollbackTransaction": [c_void_p],
            "CloseHandle": [c_void_p]}

    def __init__(self, path):
        library = CDLL(path)
        library.CairnLastErrorText.restype = c_char_p
        for table, result, failure in (self.HANDLE, c_void_p, 2**64 - 1), (self.BOOL, c_int, 0):
            for name, arguments in table.items():
                function = getattr(library, name)
                function.argtypes, function.restype = arguments, result
                setattr(self, name, self.checked(library, function, failure))

    @staticmethod
    def checked(library, function, failure):
        def call(*arguments):
            answer = function(*arguments)
            if answer == failure:
                raise OSError(library.GetLastError(), library.CairnLastErrorText().decode())
            return answer
        return call


class Dictionary(threading.Thread):
    """The resource manager: its thread answers what the transaction manager asks."""

    def __init__(self, ktm, manager, guid):
        super().__init__(daemon=True)
        self.ktm, self.data, self.pending, self.keys = ktm, {}, {}, itertools.count(1)
        self.changed, self.serving = threading.Condition(), threading.Event()
        try:
            self.handle = ktm.CreateResourceManager(None, guid, 0, manager, "dictionary")
        except OSError as error:
            if error.errno != ERROR_ALREADY_EXISTS:
                raise
            self.handle = ktm.OpenResourceManager(0, manager, guid)
        ktm.RecoverResourceManager(self.handle)
        self.start()
        assert self.serving.wait(20)

    def put(self, transaction, name, value):
        with self.changed:  # a notification may come before the enlistment is known here
            key = next(self.keys)
            enlistment = self.ktm.CreateEnlistment(None, self.handle, transaction,
                                                   PREPARE | COMMIT | ROLLBACK, 0, key)
            self.pending[key] = (enlistment, name, value)

    def run(self):
        told = Notification()
        while True:
            self.ktm.GetNotificationResourceManager(self.handle, byref(told), sizeof(told),
                                                    INFINITE, None)
            if told.kind == LAST_RECOVER:
                self.serving.set()
            elif told.kind == RECOVER:
                self.recover(bytes(told.argument[:16]))
            else:
                with self.changed:
                    self.answer(told.kind, *self.pending[told.key])
                    if told.kind != PREPARE:
                        del self.pending[told.key]
                    self.changed.notify_all()

    def recover(self, guid):
        key = next(self.keys)
        enlistment = self.ktm.OpenEnlistment(0, self.handle, guid)
        self.pending[key] = (enlistment, "recovered", True)
        self.ktm.RecoverEnlistment(enlistment, key)

    def answer(self, kind, enlistment, name, value):
        if kind == PREPARE:
            return self.ktm.PrepareComplete(enlistment, None)
        if kind == COMMIT:
            self.data[name] = value
            self.ktm.CommitComplete(enlistment, None)
        else:
            self.ktm.RollbackComplete(enlistment, None)
        return self.ktm.CloseHandle(enlistment)


def main(library, directory):
    ktm = Ktm(library)
    manager = ktm.CreateTransactionManager(None, directory, 0, 0)
    ktm.RecoverTransactionManager(manager)
    stores = [Dictionary(ktm, manager, uuid.UUID(int=number).bytes) for number in (1, 2)]

    payment = ktm.CreateTransaction(None, None, 0, 0, 0, 0, "in both or in none")
    for store in stores:
        store.put(payment, "paid", 100)
    ktm.CommitTransaction(payment)  # returns when both have answered
    assert [store.data["paid"] for store in stores] == [100, 100]

    mistake = ktm.CreateTransaction(None, None, 0, 0, 0, 0, None)
    for store in stores:
        store.put(mistake, "paid", 999)
    ktm.RollbackTransaction(mistake)
    for store in stores:
        with store.changed:
            assert store.changed.wait_for(lambda store=store: not store.pending, timeout=20)
    assert [store.data["paid"] for store in stores] == [100, 100]
    try:
        ktm.CommitTransaction(mistake)
        raise AssertionError("what is rolled back was committed")
    except OSError as error:
        assert error.errno == ERROR_TRANSACTION_ALREADY_ABORTED
    print("committed in both, rolled back in both")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
