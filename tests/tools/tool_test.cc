#include "tools/tool_test.h"

#include <cstdio>
#include <fstream>
#include <sstream>
#include <utility>

#include <cairn/uuid.h>

#include "recovery/records.h"

namespace cairn {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

log::OpenOptions open_options() {
  log::OpenOptions options;
  options.idle_mark = std::chrono::milliseconds(0);  // the same blocks in every run
  return options;
}

}  // namespace

ToolTest::ToolTest()
    : directory_(std::filesystem::temp_directory_path() /
                 ("cairn-tools-" + Uuid::generate().to_string())) {
  std::filesystem::create_directory(directory_);
}

ToolTest::~ToolTest() {
  log_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void ToolTest::create_log() {
  log::CreateOptions options;
  options.container_size = kContainerSize;
  options.calibrate = false;
  auto made = log::Log::create(path(), options, open_options());
  ASSERT_TRUE(made.is_ok()) << made.status().to_string();
  log_ = std::move(made).value();
}

void ToolTest::open_log() {
  auto opened = log::Log::open(path(), open_options());
  ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
  log_ = std::move(opened).value();
}

void ToolTest::close_log() {
  ASSERT_TRUE(log_->close().is_ok());
  log_.reset();
}

log::Stream ToolTest::stream(std::string_view name) {
  auto found = log_->open_or_create_stream(name);
  EXPECT_TRUE(found.is_ok()) << found.status().to_string();
  return found.value();
}

Lsn ToolTest::append(std::string_view name, std::string_view text,
                     const log::AppendOptions& options) {
  log::AppendOptions durable = options;
  durable.durability = log::Durability::kDurable;
  const auto lsn = stream(name).append(bytes_of(text), durable);
  EXPECT_TRUE(lsn.is_ok()) << lsn.status().to_string();
  return lsn.value();
}

void ToolTest::fill_to_container(std::uint64_t number) {
  const std::string block(32 * 1024, 'f');
  log::Stream filler = stream("filler");
  while (log_->end_lsn().container(kContainerSize) < number) {
    ASSERT_TRUE(filler.append(bytes_of(block)).is_ok());
  }
  ASSERT_TRUE(log_->flush().is_ok());
}

void ToolTest::append_transaction_manager() {
  log::Stream tm = stream("tm");
  const recovery::RestartRecord restart{recovery::numbered_id(9), 1, 1'700'000'000'000'000'000};
  const auto base = tm.write_restart_area(recovery::encode(restart), Lsn::invalid());
  ASSERT_TRUE(base.is_ok()) << base.status().to_string();
  const log::AppendOptions decided{
      .type = static_cast<std::uint16_t>(recovery::RecordType::kDecision),
      .durability = log::Durability::kDurable};
  const log::AppendOptions forgotten{
      .type = static_cast<std::uint16_t>(recovery::RecordType::kForget),
      .durability = log::Durability::kDurable};
  const auto first = tm.append(recovery::encode(recovery::decision(1, 2)), decided);
  const auto second = tm.append(recovery::encode(recovery::decision(2, 3)), decided);
  ASSERT_TRUE(first.is_ok() && second.is_ok());
  const recovery::ForgetRecord forget{recovery::numbered_id(1), 3, *first};
  ASSERT_TRUE(tm.append(recovery::encode(forget), forgotten).is_ok());
}

void ToolTest::make_sample_log() {
  create_log();
  append_transaction_manager();
  const Lsn first = append("orders", "first order", {.type = 7});
  const Lsn second = append("orders", "second order", {.type = 8, .previous = first});
  append("audit", "seen", {.type = 7});
  append("orders", "third order", {.type = 7, .previous = second, .undo_next = first});
  ASSERT_TRUE(stream("audit").write_restart_area(bytes_of("audit restart")).is_ok());
  close_log();
}

Outcome ToolTest::cairn(const Arguments& arguments) const {
  return RunningCommand(arguments, directory_).wait();
}

Json ToolTest::cairn_json(const Arguments& arguments, int exit_code) const {
  const Outcome outcome = cairn(arguments);
  EXPECT_EQ(outcome.exit_code, exit_code) << outcome;
  const Json json = Json::parse(outcome.out, nullptr, false);
  EXPECT_TRUE(json.is_object()) << outcome;
  return json;
}

std::vector<Json> ToolTest::dump(const Arguments& more, int exit_code) const {
  Arguments arguments{"dump", path(), "--json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Outcome outcome = cairn(arguments);
  EXPECT_EQ(outcome.exit_code, exit_code) << outcome;
  std::vector<Json> lines;
  std::istringstream text(outcome.out);
  for (std::string line; std::getline(text, line);) {
    lines.push_back(Json::parse(line, nullptr, false));
    EXPECT_TRUE(lines.back().is_object()) << line;
  }
  return lines;
}

void ToolTest::write_at(const std::string& file, std::uint64_t offset,
                        std::string_view bytes) const {
  std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
  out.seekp(static_cast<std::streamoff>(offset));
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(out.flush().good()) << file;
}

void ToolTest::flip_byte(const std::string& file, std::uint64_t offset) const {
  const char flipped = static_cast<char>(file_bytes(file).at(offset) ^ 0x10);
  write_at(file, offset, {&flipped, 1});
}

std::string ToolTest::container_path(std::uint64_t number) const {
  char name[64];
  std::snprintf(name, sizeof name, "/container-%016llx.cairn",
                static_cast<unsigned long long>(number));
  return path() + name;
}

DirectoryContent ToolTest::content() const {
  DirectoryContent content;
  for (const auto& entry : std::filesystem::directory_iterator(path())) {
    content[entry.path().filename().string()] = file_bytes(entry.path());
  }
  return content;
}

void ToolTest::restore(const DirectoryContent& content) const {
  std::filesystem::remove_all(path());
  std::filesystem::create_directory(path());
  for (const auto& [name, bytes] : content) {
    std::ofstream(path() + "/" + name, std::ios::binary) << bytes;
  }
}

std::string payload_on_disk(const Json& line) {
  return file_bytes(line.at("file").get<std::string>())
      .substr(line.at("file_offset").get<std::size_t>(), line.at("length").get<std::size_t>());
}

std::string hex_of(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace cairn
