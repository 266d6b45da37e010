// Uses cairn::log alone: appends a durable record to a new log in the directory given, opens the
// log again and reads the record. Exit 0 if that is what it finds.
#include <cstdio>
#include <cstring>
#include <span>
#include <string_view>

#include <cairn/log.h>

namespace {

using namespace cairn;

constexpr std::string_view kText = "written by a program of someone else";

Status write(const char* path) {
  CAIRN_ASSIGN_OR_RETURN(auto log, log::Log::create(path));
  CAIRN_ASSIGN_OR_RETURN(log::Stream stream, log->create_stream("greetings"));
  CAIRN_RETURN_IF_ERROR(
      stream.append(std::as_bytes(std::span(kText)), {.durability = log::Durability::kDurable})
          .status());
  return log->close();
}

Status read(const char* path) {
  CAIRN_ASSIGN_OR_RETURN(auto log, log::Log::open(path));
  CAIRN_ASSIGN_OR_RETURN(log::Stream stream, log->open_stream("greetings"));
  CAIRN_ASSIGN_OR_RETURN(log::Cursor cursor, stream.read());
  CAIRN_ASSIGN_OR_RETURN(const auto record, cursor.next());
  if (!record || record->payload.size() != kText.size() ||
      std::memcmp(record->payload.data(), kText.data(), kText.size()) != 0) {
    return Status(StatusCode::kNotFound, "expected the record that was appended, found another");
  }
  return Status::ok();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  Status status = write(argv[1]);
  if (status) status = read(argv[1]);
  if (!status) std::fprintf(stderr, "%s\n", status.to_string().c_str());
  return status ? 0 : 1;
}
