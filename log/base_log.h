// BaseLog: the file with the two slots that say where to begin.
//
// A hint: everything in it can be found in the containers. It is written when a snapshot became
// whole, before containers are recycled, and at close; never on the append path.
#ifndef CAIRN_LOG_BASE_LOG_H_
#define CAIRN_LOG_BASE_LOG_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <cairn/calibration.h>
#include <cairn/result.h>
#include <cairn/storage.h>

#include "aligned_buffer.h"
#include "format/base_slot.h"

namespace cairn::log {

inline constexpr char kUnfinishedBaseName[] = "new-base.tmp";

// Not thread-safe.
class BaseLog {
 public:
  // Makes the file with one valid slot and makes it and its name durable. Error: kAlreadyExists.
  [[nodiscard]] static Status create(Directory& directory, const format::BaseSlot& slot);
  // Writes both slots of a file that is there and whose slots are both unusable, one durable after
  // the other.
  [[nodiscard]] static Status rewrite(Directory& directory, const format::BaseSlot& slot);
  // Errors: kNotALog (no base log, no containers), kBaseLogDamaged (both slots, or the file is gone
  // while containers are there), kNewerVersion, kPermissionDenied, kIoError.
  [[nodiscard]] static Result<BaseLog> open(Directory& directory, OpenMode mode);

  [[nodiscard]] const format::BaseSlot& slot() const { return slot_; }
  // False: the other slot is torn or damaged, as after a crash while it was written.
  [[nodiscard]] bool both_valid() const { return both_valid_; }
  // The log is not there yet: it is being made, or a crash ended that.
  [[nodiscard]] bool is_being_created() const {
    return slot_.state == static_cast<std::uint64_t>(format::BaseState::kCreating);
  }
  // Error: kNotALog if it is not there yet.
  [[nodiscard]] Status check_created() const;

  // How the device is best written to, as it was measured; nothing: it was not, or what is there is
  // not valid (calibration_fault() says why).
  [[nodiscard]] const std::optional<Calibration>& calibration() const { return calibration_; }
  [[nodiscard]] const std::string& calibration_fault() const { return calibration_fault_; }
  // Goes with each slot that is written from now on.
  void set_calibration(Calibration calibration) {
    calibration_ = std::move(calibration);
    calibration_fault_.clear();
  }

  // Writes `next` with the next generation into the older slot and makes it durable.
  [[nodiscard]] Status write(format::BaseSlot next);

 private:
  BaseLog() = default;

  std::unique_ptr<File> file_;
  AlignedBuffer buffer_;
  format::BaseSlot slot_{};
  std::uint32_t index_ = 0;
  bool both_valid_ = false;
  std::optional<Calibration> calibration_;
  std::string calibration_fault_;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_BASE_LOG_H_
