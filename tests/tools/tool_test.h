// ToolTest: a log in a directory of its own, made in this process, and the `cairn` command on it.
#ifndef CAIRN_TESTS_TOOLS_TOOL_TEST_H_
#define CAIRN_TESTS_TOOLS_TOOL_TEST_H_

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cairn/log.h>
#include <cairn/tm_record.h>

#include "tools/command.h"

namespace cairn {

using Json = nlohmann::json;
using DirectoryContent = std::map<std::string, std::string>;  // bytes by name

class ToolTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kContainerSize = log::kMinContainerSize;

  ToolTest();
  ~ToolTest() override;

  // The log's directory; the log is not made yet.
  [[nodiscard]] std::string path() const { return (directory_ / "log").string(); }
  [[nodiscard]] std::filesystem::path scratch() const { return directory_; }

  // Making a log. All records are durable on return.
  void create_log();
  void open_log();
  void close_log();
  [[nodiscard]] log::Log& log() { return *log_; }
  [[nodiscard]] log::Stream stream(std::string_view name);
  Lsn append(std::string_view stream, std::string_view text,
             const log::AppendOptions& options = {});
  // Appends to stream "filler" until the log's end lies in container `number`.
  void fill_to_container(std::uint64_t number);
  // A manager in stream "tm", with transactions 1 and 2 decided and 1 forgotten.
  void append_transaction_manager();
  // A closed log of two streams and a transaction manager.
  void make_sample_log();

  // Running the command.
  [[nodiscard]] Outcome cairn(const Arguments& arguments) const;
  // The one object that `arguments` print; the exit code is checked.
  [[nodiscard]] Json cairn_json(const Arguments& arguments, int exit_code = 0) const;
  // The objects of `cairn dump --json` on the log.
  [[nodiscard]] std::vector<Json> dump(const Arguments& more = {}, int exit_code = 0) const;

  // Damage.
  void write_at(const std::string& file, std::uint64_t offset, std::string_view bytes) const;
  void flip_byte(const std::string& file, std::uint64_t offset) const;
  [[nodiscard]] std::string container_path(std::uint64_t number) const;
  [[nodiscard]] DirectoryContent content() const;
  void restore(const DirectoryContent& content) const;

 private:
  std::filesystem::path directory_;
  std::unique_ptr<log::Log> log_;
};

// The bytes that a line of dump says are the record's payload.
[[nodiscard]] std::string payload_on_disk(const Json& line);
[[nodiscard]] std::string hex_of(std::string_view bytes);

}  // namespace cairn

#endif  // CAIRN_TESTS_TOOLS_TOOL_TEST_H_
