// ModelledLog: a log and its model, run side by side. Every call goes to both.
#ifndef CAIRN_TORTURE_MODELLED_LOG_H_
#define CAIRN_TORTURE_MODELLED_LOG_H_

#include <memory>
#include <string>

#include <cairn/torture/log_model.h>

namespace cairn::torture {

// What the tests open a log with: single-threaded, so that a run on a SimStorage is the same each
// time.
[[nodiscard]] log::OpenOptions manual_options(std::shared_ptr<log::Storage> storage);
// Small containers and blocks: switches, recycling and full logs within a few MiB.
[[nodiscard]] log::CreateOptions small_log(std::uint64_t containers = 4);

// A call that fails leaves the model as if it had not been made, except for kIndeterminate: then it
// stays in flight. For one thread.
class ModelledLog {
 public:
  ModelledLog(std::unique_ptr<log::Log> log, LogModel model)
      : model_(std::move(model)), log_(std::move(log)) {
    model_.created = true;
  }
  ModelledLog(ModelledLog&&) = default;
  ModelledLog& operator=(ModelledLog&&) = default;

  [[nodiscard]] Status create_stream(const std::string& name);
  [[nodiscard]] Status delete_stream(const std::string& name);
  // With a reservation it is paid out of that, if that covers it, and changes it in the same step;
  // kCorrupt if it then meets a full log without reserving more, or does half of it (I9).
  [[nodiscard]] Status append(const std::string& stream, Bytes payload,
                              const log::AppendOptions& options,
                              log::Reservation* reservation = nullptr,
                              const log::ReservationChange& change = {});
  [[nodiscard]] Status write_restart_area(const std::string& stream, Bytes data, Lsn base);
  [[nodiscard]] Status advance_base(const std::string& stream, Lsn base);
  // All streams' records behind `cut`.
  [[nodiscard]] Status truncate_after(Lsn cut);
  // Policies and archive tail: the model knows them from here on.
  void know_settings() { model_.settings = settings_of(*log_); }
  // REQUIRES: know_settings() was called.
  [[nodiscard]] Status set_policies(const log::Policies& policies);
  [[nodiscard]] Status set_archive_tail(Lsn lsn);
  [[nodiscard]] Status stop_archiving();
  [[nodiscard]] Status flush();
  [[nodiscard]] Status close();

  [[nodiscard]] const LogModel& model() const { return model_; }
  [[nodiscard]] log::Log& log() { return *log_; }

 private:
  template <typename Answer>
  Status ended(const Answer& answer);
  // A change of policies or archive tail.
  template <typename Change>
  Status change_settings(const LogSettings& settings, const Change& change);
  // I8, and what the log now says is durable.
  Status check_lsn(Lsn lsn);

  LogModel model_;
  std::unique_ptr<log::Log> log_;
};

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_MODELLED_LOG_H_
