// ReadContext: where ReadLogRecord() or ReadLogRestartArea() stands.
#ifndef CAIRN_WIN32_READ_CONTEXT_H_
#define CAIRN_WIN32_READ_CONTEXT_H_

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <cairn/clfsw32.h>
#include <cairn/log.h>

#include "handle_table.h"
#include "marshalling_area.h"

namespace cairn::win32 {

// For one thread at a time: each call holds in_use. What it shows points into it until the next
// call with it, or until it is terminated.
class ReadContext final : public Object {
 public:
  static constexpr HandleType kType = HandleType::kReadContext;

  // REQUIRES: area.begin_reading() was true; it ends with the context.
  ReadContext(std::shared_ptr<MarshallingArea> area, CLFS_CONTEXT_MODE mode)
      : Object(kType), area_(std::move(area)), mode_(mode) {}
  ~ReadContext() override { area_->end_reading(); }
  [[nodiscard]] bool is_handle() const override { return false; }

  struct Shown {
    Lsn lsn;
    CLFS_RECORD_TYPE type = ClfsNullRecord;
    Lsn previous;
    Lsn undo_next;
    std::span<const std::byte> payload;
  };

  // All return false with the last error set.
  //
  // Stands at the record at `lsn`. Forward, the stream's base stands for the first record behind
  // it.
  [[nodiscard]] bool begin(Lsn lsn);
  // At the next one, in its order, of a type in `types`; at the end stays where it is.
  [[nodiscard]] bool next(CLFS_RECORD_TYPE types);
  // At the newest restart area, and at the one before.
  [[nodiscard]] bool begin_at_restart_area();
  [[nodiscard]] bool previous_restart_area();

  [[nodiscard]] const Shown& shown() const { return shown_; }
  [[nodiscard]] const MarshallingArea& area() const { return *area_; }
  [[nodiscard]] CLFS_CONTEXT_MODE mode() const { return mode_; }
  // Whether `lsn` lies ahead in its order.
  [[nodiscard]] bool is_ahead(Lsn lsn) const {
    return mode_ == ClsContextForward ? lsn > shown_.lsn : lsn < shown_.lsn;
  }

  std::mutex in_use;

 private:
  [[nodiscard]] bool show(const log::Record& record);
  [[nodiscard]] bool step(std::optional<log::Record>* record);
  [[nodiscard]] bool end_of_chain() const;

  const std::shared_ptr<MarshallingArea> area_;
  const CLFS_CONTEXT_MODE mode_;
  bool from_restart_area_ = false;  // that was the first it stood at
  std::optional<log::Cursor> cursor_;
  Shown shown_;
  std::vector<std::byte> copy_;  // of a restart area that lies behind the base
};

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_READ_CONTEXT_H_
