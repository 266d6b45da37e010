// The types, handles and last error that the C API of KTM and CLFS shares (cairn/ktmw32.h,
// cairn/clfsw32.h, cairn/clfsmgmtw32.h). C11 and C++.
//
// Names, values and layouts are those of the public documentation, with the sizes they have there:
// DWORD, ULONG and LONG have 32 bits. The one exception is text: WCHAR is wchar_t, which has 32
// bits here, so L"..." can be handed over; on disk all text is UTF-8.
//
// Conventions. A function that returns BOOL returns 0 on failure, one that returns a HANDLE returns
// INVALID_HANDLE_VALUE; GetLastError() then says why. Pointers to memory are the caller's to get
// right, as they are in C; null, where something is needed, is ERROR_INVALID_PARAMETER (for memory
// to be filled, too). Handles may be anything: what is no live handle of the expected kind is
// ERROR_INVALID_HANDLE. All functions may be called from any thread.
#ifndef CAIRN_WIN32_TYPES_H_
#define CAIRN_WIN32_TYPES_H_

#include <stddef.h>
#include <stdint.h>
#include <wchar.h>

#include <cairn/win32_errors.h>

#ifdef __cplusplus
#define CAIRN_WIN32_BEGIN extern "C" {
#define CAIRN_WIN32_END }
#else
#define CAIRN_WIN32_BEGIN
#define CAIRN_WIN32_END
#endif

#define CAIRN_WIN32_API __attribute__((visibility("default")))

// An enumeration that callers hand over takes any int, as in C: what is none of its values is
// refused.
#ifdef __cplusplus
#define CAIRN_WIN32_ENUM(name) enum name : int
#else
#define CAIRN_WIN32_ENUM(name) enum name
#endif
#define WINAPI

CAIRN_WIN32_BEGIN

typedef int BOOL;
typedef BOOL *PBOOL;
typedef uint8_t BYTE;
typedef uint8_t UCHAR;
typedef UCHAR *PUCHAR;
typedef UCHAR BOOLEAN;
typedef uint16_t WORD;
typedef uint16_t USHORT;
typedef uint32_t DWORD;
typedef DWORD *PDWORD;
typedef DWORD *LPDWORD;
typedef uint32_t ULONG;
typedef ULONG *PULONG;
typedef int32_t LONG;
typedef LONG *PLONG;
typedef int64_t LONGLONG;
typedef LONGLONG *PLONGLONG;
typedef uint64_t ULONGLONG;
typedef ULONGLONG *PULONGLONG;
typedef uintptr_t ULONG_PTR;
typedef size_t SIZE_T;
typedef wchar_t WCHAR;
typedef WCHAR *PWSTR;
typedef WCHAR *LPWSTR;
typedef const WCHAR *PCWSTR;
typedef const WCHAR *LPCWSTR;
typedef void *PVOID;
typedef void *LPVOID;
typedef const void *LPCVOID;
typedef DWORD ACCESS_MASK;

// Names an object of this library: opaque, never 0, good until CloseHandle(). A number that was
// closed is not given out again for any other object.
typedef void *HANDLE;
typedef HANDLE *PHANDLE;

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif
#define INVALID_HANDLE_VALUE ((HANDLE)(intptr_t)-1)
#define INFINITE 0xFFFFFFFFu

typedef struct _GUID {
  uint32_t Data1;
  uint16_t Data2;
  uint16_t Data3;
  uint8_t Data4[8];
} GUID;
typedef GUID *PGUID;
typedef GUID *LPGUID;
typedef const GUID *LPCGUID;

// The halves are there by name as well, as documented.
typedef union _LARGE_INTEGER {
  __extension__ struct {
    DWORD LowPart;
    LONG HighPart;
  };
  struct {
    DWORD LowPart;
    LONG HighPart;
  } u;
  LONGLONG QuadPart;
} LARGE_INTEGER;
typedef LARGE_INTEGER *PLARGE_INTEGER;

typedef union _ULARGE_INTEGER {
  __extension__ struct {
    DWORD LowPart;
    DWORD HighPart;
  };
  struct {
    DWORD LowPart;
    DWORD HighPart;
  } u;
  ULONGLONG QuadPart;
} ULARGE_INTEGER;
typedef ULARGE_INTEGER *PULARGE_INTEGER;

// Access control is the file system's. A descriptor, or a handle that child processes are to
// inherit, is refused with ERROR_NOT_SUPPORTED, not ignored.
typedef struct _SECURITY_ATTRIBUTES {
  DWORD nLength;  // sizeof(SECURITY_ATTRIBUTES)
  LPVOID lpSecurityDescriptor;
  BOOL bInheritHandle;
} SECURITY_ATTRIBUTES;
typedef SECURITY_ATTRIBUTES *PSECURITY_ATTRIBUTES;
typedef SECURITY_ATTRIBUTES *LPSECURITY_ATTRIBUTES;

// Where a function says that it works asynchronously; elsewhere it must be null. hEvent must be
// null. Internal: STATUS_PENDING until the request is completed, then 0 or the ERROR_ value.
// InternalHigh: the bytes transferred. Must stay where it is until then.
typedef struct _OVERLAPPED {
  ULONG_PTR Internal;
  ULONG_PTR InternalHigh;
  __extension__ union {
    __extension__ struct {
      DWORD Offset;
      DWORD OffsetHigh;
    };
    PVOID Pointer;
  };
  HANDLE hEvent;
} OVERLAPPED;
typedef OVERLAPPED *LPOVERLAPPED;
#define STATUS_PENDING 0x103u
#define HasOverlappedIoCompleted(overlapped) \
  (__atomic_load_n(&(overlapped)->Internal, __ATOMIC_ACQUIRE) != STATUS_PENDING)

// The error of this thread's last call that failed. A call that succeeds leaves it alone, unless
// its description says otherwise.
CAIRN_WIN32_API DWORD GetLastError(void);
CAIRN_WIN32_API void SetLastError(DWORD dwErrCode);

// Gives up a handle. What that does to the object stands where the handle is made. Errors:
// ERROR_INVALID_HANDLE.
CAIRN_WIN32_API BOOL CloseHandle(HANDLE hObject);

#define WAIT_OBJECT_0 0u
#define WAIT_FAILED 0xFFFFFFFFu

// Waits up to dwMilliseconds (INFINITE: without a limit) until the object is signaled, and leaves
// it so: a transaction is when its outcome is known and, if that is commit, every resource manager
// has answered; a completion port while its event descriptor is readable. Returns WAIT_OBJECT_0,
// WAIT_TIMEOUT, or WAIT_FAILED: ERROR_INVALID_HANDLE, also for the other kinds of objects. A wait
// whose handle is closed meanwhile ends: that of a port fails so, that of a transaction goes by
// what becomes of it, which is rollback with the last handle unless its commit was asked for.
CAIRN_WIN32_API DWORD WaitForSingleObject(HANDLE hHandle, DWORD dwMilliseconds);

// --- Not Windows' ---

// What stands where Windows has an I/O completion port: for each request that is completed, 1 is
// added to this event descriptor (eventfd(2)); poll(2), epoll and io_uring tell when. The
// descriptor is duplicated: the caller keeps and closes its own. CloseHandle() gives the duplicate
// up. Errors: ERROR_INVALID_PARAMETER (no event descriptor), ERROR_TOO_MANY_OPEN_FILES.
CAIRN_WIN32_API HANDLE CairnOpenCompletionPort(int event_fd);

// What the last error of this thread was about, in UTF-8: file, LSN, expected and found. "" if
// there is no more to say than the number. Good until the thread's next call.
CAIRN_WIN32_API const char *CairnLastErrorText(void);

CAIRN_WIN32_END

#endif  // CAIRN_WIN32_TYPES_H_
