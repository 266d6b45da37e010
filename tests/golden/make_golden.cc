// Writes golden logs of the format version of today's code: make_golden DIRECTORY. For each, a
// directory of that name with the log's files, and NAME.txt with what it holds. README.md beside
// this file says how they get into the tree.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <cairn/log.h>
#include <cairn/sim/sim_storage.h>
#include <cairn/transaction_manager.h>

#include "format/layout.h"
#include "golden/golden_text.h"
#include "log/torture_names.h"

namespace cairn::golden {
namespace {

using log::Durability;
using Storage = std::shared_ptr<sim::SimStorage>;

// Bytes that compress well and differ from record to record.
std::vector<std::byte> payload(std::size_t size, unsigned number) {
  return std::vector<std::byte>(size, static_cast<std::byte>(number * 7 + 1));
}

Status append(log::Stream& stream, std::size_t size, unsigned number,
              log::AppendOptions options = {.durability = Durability::kDurable}) {
  options.type = static_cast<std::uint16_t>(number);
  return stream.append(payload(size, number), options).status();
}

Result<std::unique_ptr<log::Log>> create(const Storage& storage, std::uint32_t alignment = 512) {
  log::CreateOptions options = log_test::small_log();
  options.alignment = alignment;
  return log::Log::create("log", options, log_test::manual_options(storage));
}

// Every kind of record, two streams alive and one deleted, links, restart areas with and without a
// base; closed.
Result<Storage> closed() {
  const auto storage = std::make_shared<sim::SimStorage>();
  CAIRN_ASSIGN_OR_RETURN(const auto log, create(storage));
  CAIRN_ASSIGN_OR_RETURN(log::Stream one, log->create_stream("one"));
  CAIRN_ASSIGN_OR_RETURN(log::Stream two, log->create_stream("two, of \"odd\" name"));
  CAIRN_ASSIGN_OR_RETURN(log::Stream gone, log->create_stream("gone"));
  CAIRN_ASSIGN_OR_RETURN(const Lsn first, one.append(payload(100, 1)));
  for (unsigned i = 2; i < 8; ++i) {
    log::AppendOptions options;
    options.previous = one.last_lsn();
    options.undo_next = first;
    CAIRN_RETURN_IF_ERROR(append(one, 40 * i, i, options));
    CAIRN_RETURN_IF_ERROR(append(two, i % 3, i));
    CAIRN_RETURN_IF_ERROR(append(gone, 10, i));
  }
  CAIRN_RETURN_IF_ERROR(one.write_restart_area(payload(50, 20)).status());
  CAIRN_RETURN_IF_ERROR(append(one, 60'000, 21));
  CAIRN_RETURN_IF_ERROR(one.write_restart_area(payload(51, 22), first).status());
  CAIRN_RETURN_IF_ERROR(two.write_restart_area({}, Lsn::invalid()).status());
  CAIRN_RETURN_IF_ERROR(log->delete_stream("gone"));
  CAIRN_RETURN_IF_ERROR(append(two, 5, 23));
  CAIRN_RETURN_IF_ERROR(log->close());
  return storage;
}

// The power goes while a block of several sectors is being written: its first sectors are there.
Result<Storage> torn() {
  const auto storage = std::make_shared<sim::SimStorage>();
  CAIRN_ASSIGN_OR_RETURN(const auto log, create(storage));
  CAIRN_ASSIGN_OR_RETURN(log::Stream stream, log->create_stream("s"));
  for (unsigned i = 0; i < 5; ++i) CAIRN_RETURN_IF_ERROR(append(stream, 100 + i, i));
  CAIRN_ASSIGN_OR_RETURN(const Lsn last, stream.append(payload(5000, 9)));
  log->on_durable(last, [](const Status&) {});  // begins the write
  return storage->after_crash(sim::survive_subset({true, true, false, true}));
}

// Crashes and openings: epochs, each behind a gap; the last one closed.
Result<Storage> gaps() {
  auto storage = std::make_shared<sim::SimStorage>();
  CAIRN_ASSIGN_OR_RETURN(auto log, create(storage));
  CAIRN_RETURN_IF_ERROR(log->create_stream("s").status());
  for (unsigned epoch = 0; epoch < 3; ++epoch) {
    CAIRN_ASSIGN_OR_RETURN(log::Stream stream, log->open_stream("s"));
    for (unsigned i = 0; i < 3; ++i) CAIRN_RETURN_IF_ERROR(append(stream, 300, epoch * 10 + i));
    CAIRN_RETURN_IF_ERROR(append(stream, 100, epoch * 10 + 5, {}));
    CAIRN_RETURN_IF_ERROR(stream.write_restart_area(payload(8, epoch)).status());
    storage->crash();
    log.reset();
    storage = storage->after_crash(sim::survive_none());
    CAIRN_ASSIGN_OR_RETURN(log, log::Log::open("log", log_test::manual_options(storage)));
  }
  CAIRN_RETURN_IF_ERROR(log->close());
  return storage;
}

// Several containers with their seals, the oldest ones recycled, large alignment; not closed.
Result<Storage> recycled() {
  const auto storage = std::make_shared<sim::SimStorage>(
      sim::SimOptions{.alignment = 4096, .physical_sector = 4096});
  CAIRN_ASSIGN_OR_RETURN(const auto log, create(storage, 4096));
  CAIRN_ASSIGN_OR_RETURN(log::Stream pin, log->create_stream("idle"));
  CAIRN_ASSIGN_OR_RETURN(log::Stream stream, log->create_stream("busy"));
  for (unsigned i = 0; i < 120; ++i) {
    CAIRN_RETURN_IF_ERROR(append(stream, 50'000, i, {}));
    if (i % 10 == 9) {
      CAIRN_RETURN_IF_ERROR(pin.advance_base(log->end_lsn()));
      CAIRN_RETURN_IF_ERROR(stream.advance_base(i == 119 ? stream.base() : stream.last_lsn()));
      CAIRN_RETURN_IF_ERROR(log->run_background());
    }
  }
  for (unsigned i = 0; i < 25; ++i) CAIRN_RETURN_IF_ERROR(append(stream, 50'000, 200 + i, {}));
  CAIRN_RETURN_IF_ERROR(stream.write_restart_area(payload(99, 3)).status());
  CAIRN_RETURN_IF_ERROR(append(pin, 1, 1));
  return storage->after_crash(sim::survive_none());
}

// A transaction manager's: one transaction forgotten, one decided that its resource managers have
// not heard of.
Result<Storage> transactions() {
  const auto storage = std::make_shared<sim::SimStorage>();
  CAIRN_ASSIGN_OR_RETURN(auto made, create(storage));
  tm::TmOptions options;
  options.log = std::shared_ptr<log::Log>(std::move(made));
  options.background = tm::Background::kManual;
  options.wall_clock = [] { return std::uint64_t{1'700'000'000'000'000'000}; };
  CAIRN_ASSIGN_OR_RETURN(auto manager, tm::TransactionManager::create(options));
  CAIRN_RETURN_IF_ERROR(manager.recover().status());
  const auto id = *Uuid::parse("6f2c1c6e-8d5b-4f0a-9a53-3f1c8e0c7d11");
  CAIRN_ASSIGN_OR_RETURN(auto rm,
                         manager.create_resource_manager(id, tm::RmKind::kDurable, "golden"));
  CAIRN_RETURN_IF_ERROR(rm.recover());
  for (const bool answered : {true, false}) {
    CAIRN_ASSIGN_OR_RETURN(auto transaction, manager.create_transaction());
    CAIRN_ASSIGN_OR_RETURN(auto enlistment, rm.enlist(transaction, tm::kTwoPhase, 1));
    CAIRN_RETURN_IF_ERROR(transaction.commit_async());
    CAIRN_RETURN_IF_ERROR(enlistment.prepare_complete());
    CAIRN_RETURN_IF_ERROR(transaction.wait(tm::WaitFor::kDecided, std::nullopt));
    if (answered) CAIRN_RETURN_IF_ERROR(enlistment.commit_complete());
  }
  CAIRN_RETURN_IF_ERROR(options.log->flush());
  return storage->after_crash(sim::survive_none());
}

Status write(const std::string& directory, const std::string& name, const Result<Storage>& storage,
             bool with_manager) {
  CAIRN_RETURN_IF_ERROR(storage.status());
  const std::string path = directory + "/" + name;
  if (!(*storage)->dump("log", path)) return Status(StatusCode::kIoError, path + ": not written");
  CAIRN_ASSIGN_OR_RETURN(std::string text, golden_text((*storage)->clone()));
  if (with_manager) {
    CAIRN_ASSIGN_OR_RETURN(const std::string more, manager_text(*storage));
    text += more;
  }
  std::ofstream out(path + ".txt");
  out << text;
  return out.flush() ? Status::ok() : Status(StatusCode::kIoError, path + ".txt: not written");
}

Status write_all(const std::string& directory) {
  const std::string prefix = "v" + std::to_string(log::format::kFormatVersion) + "-";
  CAIRN_RETURN_IF_ERROR(write(directory, prefix + "closed", closed(), false));
  CAIRN_RETURN_IF_ERROR(write(directory, prefix + "torn", torn(), false));
  CAIRN_RETURN_IF_ERROR(write(directory, prefix + "gaps", gaps(), false));
  CAIRN_RETURN_IF_ERROR(write(directory, prefix + "recycled", recycled(), false));
  return write(directory, prefix + "transactions", transactions(), true);
}

}  // namespace
}  // namespace cairn::golden

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "Usage: %s DIRECTORY\n", argv[0]);
    return 2;
  }
  const cairn::Status status = cairn::golden::write_all(argv[1]);
  if (!status) std::fprintf(stderr, "%s\n", status.to_string().c_str());
  return status ? 0 : 1;
}
