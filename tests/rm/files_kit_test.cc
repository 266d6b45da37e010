// The resource manager for files before the conformance kit: real files and a real log, copied at
// the moment of a crash.
#include <filesystem>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <cairn/rm_files.h>
#include <cairn/rm_kit.h>

#include "rm/kit_options.h"
#include "servers/temporary_directory.h"

namespace cairn::rm_kit {
namespace {

class FilesSubject : public Subject {
 public:
  static Result<std::unique_ptr<Subject>> open(const Surroundings& at) {
    std::filesystem::create_directory(at.directory + "/tree");
    log::CreateOptions create;
    create.container_size = log::kMinContainerSize;
    create.calibrate = false;
    auto subject = std::make_unique<FilesSubject>();
    CAIRN_ASSIGN_OR_RETURN(subject->log_,
                           log::Log::open_or_create(at.directory + "/log", create, {}));
    CAIRN_ASSIGN_OR_RETURN(
        subject->files_, rm::FilesResourceManager::open(at.manager, {.id = at.id,
                                                                     .tree = at.directory + "/tree",
                                                                     .log = subject->log_,
                                                                     .snapshot_bytes = 600}));
    return std::unique_ptr<Subject>(std::move(subject));
  }

  Status add(const tm::Transaction& transaction, const std::string& item) override {
    const auto found = files_->read(transaction, path_of(item));
    if (!found && found.code() != StatusCode::kNotFound) return found.status();
    return files_->write(transaction, path_of(item),
                         std::to_string(found ? std::stoi(*found) + 1 : 1));
  }
  Result<std::uint64_t> count(const std::string& item) override {
    const auto found = files_->read(path_of(item));
    if (found.code() == StatusCode::kNotFound) return 0;
    CAIRN_RETURN_IF_ERROR(found.status());
    return std::stoull(*found);
  }
  Status look(const tm::Transaction& transaction, const std::string& item) override {
    const auto found = files_->read(transaction, path_of(item));
    return found.code() == StatusCode::kNotFound ? Status::ok() : found.status();
  }

 private:
  static std::string path_of(const std::string& item) { return item + "/count"; }

  std::shared_ptr<log::Log> log_;
  std::unique_ptr<rm::FilesResourceManager> files_;
};

TEST(KitOnFiles, FindsNoRuleBroken) {
  // In memory where there is such a directory: the kit takes no power from files.
  const std::filesystem::path memory = "/dev/shm";
  const TemporaryDirectory directory(
      std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path());
  Options with = options();
  with.keeping = Keeping::kFiles;
  with.directory = directory.path();
  with.stride = sim::test_budget() > 1 ? 1 : 17;  // opening a real log takes its time
  const Report report = check(FilesSubject::open, with);
  EXPECT_TRUE(report.status.is_ok() && report.violations.empty()) << report.to_string();
  std::printf("[ kit      ] %s", report.to_string().c_str());
}

}  // namespace
}  // namespace cairn::rm_kit
