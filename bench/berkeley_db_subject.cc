// Berkeley DB's log alone: log_put() with DB_FLUSH, which is its group commit.
#include <db.h>

#include "subject.h"

namespace cairn::bench {
namespace {

constexpr std::uint32_t kLogBuffer = 4U << 20;
constexpr std::uint32_t kLogFile = 64U << 20;

Status failure(const char* call, int error) {
  return {StatusCode::kIoError, std::string("Berkeley DB: ") + call + ": " + ::db_strerror(error)};
}

class BerkeleyDbSubject final : public Subject {
 public:
  ~BerkeleyDbSubject() override {
    if (environment_ != nullptr) environment_->close(environment_, 0);
  }

  Status prepare(const std::filesystem::path& directory) {
    if (const int error = ::db_env_create(&environment_, 0); error != 0) {
      return failure("db_env_create", error);
    }
    int error = environment_->set_lg_bsize(environment_, kLogBuffer);
    if (error == 0) error = environment_->set_lg_max(environment_, kLogFile);
    // Files are written once when they are made, so that a flush changes no metadata; old ones go.
    const std::uint32_t settings = DB_LOG_ZERO | DB_LOG_AUTO_REMOVE;
    if (error == 0) error = environment_->log_set_config(environment_, settings, 1);
    if (error != 0) return failure("configuring the log", error);
    constexpr std::uint32_t kFlags = DB_CREATE | DB_INIT_LOG | DB_THREAD | DB_PRIVATE;
    error = environment_->open(environment_, directory.c_str(), kFlags, 0600);
    return error == 0 ? Status() : failure("DB_ENV->open", error);
  }

  Status append(unsigned /*thread*/, std::span<const std::byte> payload) override {
    DBT record{};
    record.data = const_cast<std::byte*>(payload.data());  // the API is C; it only reads
    record.size = static_cast<std::uint32_t>(payload.size());
    DB_LSN lsn{};
    const int error = environment_->log_put(environment_, &lsn, &record, DB_FLUSH);
    return error == 0 ? Status() : failure("log_put", error);
  }

 private:
  DB_ENV* environment_ = nullptr;
};

}  // namespace

Engine berkeley_db_engine() {
  return {.name = "berkeley_db",
          .version = std::to_string(DB_VERSION_MAJOR) + "." + std::to_string(DB_VERSION_MINOR) +
                     "." + std::to_string(DB_VERSION_PATCH),
          .open = [](const std::filesystem::path& directory,
                     const Workload& /*workload*/) -> Result<std::unique_ptr<Subject>> {
            auto subject = std::make_unique<BerkeleyDbSubject>();
            CAIRN_RETURN_IF_ERROR(subject->prepare(directory));
            return std::unique_ptr<Subject>(std::move(subject));
          }};
}

}  // namespace cairn::bench
