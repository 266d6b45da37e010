// HandleTable: what the numbers that a C program holds refer to.
#ifndef CAIRN_WIN32_HANDLE_TABLE_H_
#define CAIRN_WIN32_HANDLE_TABLE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <cairn/result.h>
#include <cairn/win32_types.h>

namespace cairn::win32 {

// Which kind of object; each class that derives from Object has its own as `kType`.
enum class HandleType : std::uint8_t {
  kTransactionManager,
  kTransaction,
  kResourceManager,
  kEnlistment,
  kCompletionPort,
  kLogFile,           // clfsw32.h, as those below
  kMarshallingArea,   // a context, as those below
  kReadContext,       //
  kArchiveContext,    //
  kContainerContext,  //
};

// What a handle, or an opaque context that a function hands out, refers to. Shared: a call that
// uses it keeps it until the call returns, whoever closes the handle meanwhile.
class Object {
 public:
  explicit Object(HandleType type) : type_(type) {}
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;

  [[nodiscard]] HandleType type() const { return type_; }

  // CloseHandle() took its handle. Calls that use the object may still run, and may wait in it.
  virtual void closed() {}
  // Contexts are not closed by CloseHandle(), but by a function of their own.
  [[nodiscard]] virtual bool is_handle() const { return true; }
  // Waits up to `limit` (absent: without one). Whether it is signaled; absent: it is none of those
  // that can be waited for.
  [[nodiscard]] virtual std::optional<bool> wait(std::optional<std::chrono::nanoseconds> limit);

 private:
  const HandleType type_;
};

// Numbers, not addresses: whatever a caller hands over is looked up, and nothing is dereferenced.
// A number names a slot and its generation. Closing raises the generation, so a stale number is
// told from the live one that has its slot; a slot whose generations are used up is not used again.
// Thread-safe. No code of objects runs under its lock.
class HandleTable {
 public:
  static constexpr std::size_t kMaxHandles = std::size_t{1} << 24;

  // That of the process. Never destroyed: a program may exit with handles open, which is to the
  // objects as if it had crashed.
  [[nodiscard]] static HandleTable& get();

  explicit HandleTable(std::size_t max_handles = kMaxHandles) : max_handles_(max_handles) {}

  // REQUIRES: `object` is not null. Error: kResourceExhausted (so many are open).
  [[nodiscard]] Result<HANDLE> insert(std::shared_ptr<Object> object);
  // Null if `handle` names nothing, or not a T.
  template <typename T>
  [[nodiscard]] std::shared_ptr<T> find(HANDLE handle) const {
    std::shared_ptr<Object> object = find_object(handle);
    if (object == nullptr || object->type() != T::kType) return nullptr;
    return std::static_pointer_cast<T>(std::move(object));
  }
  [[nodiscard]] std::shared_ptr<Object> find_object(HANDLE handle) const;
  // Closes the handle of a T, and returns what it referred to; null as find().
  template <typename T>
  [[nodiscard]] std::shared_ptr<T> take(HANDLE handle) {
    return std::static_pointer_cast<T>(
        take_if(handle, [](const Object& object) { return object.type() == T::kType; }));
  }
  // The same, of any object that CloseHandle() closes.
  [[nodiscard]] std::shared_ptr<Object> take_handle(HANDLE handle) {
    return take_if(handle, [](const Object& object) { return object.is_handle(); });
  }
  [[nodiscard]] std::size_t size() const;

 private:
  struct Slot {
    std::shared_ptr<Object> object;
    std::uint32_t generation = 1;
  };

  [[nodiscard]] const Slot* slot_locked(HANDLE handle) const;
  [[nodiscard]] std::shared_ptr<Object> take_if(HANDLE handle, bool (*wanted)(const Object&));

  const std::size_t max_handles_;
  mutable std::mutex mutex_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
};

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_HANDLE_TABLE_H_
