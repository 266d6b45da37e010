// cairn-bank: transfers between accounts in several stores, one transaction each, under a driver
// that kills the process and the servers of the stores.
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bank/directory.h"
#include "bank/driver.h"
#include "bank/report.h"
#include "bank/transfer.h"
#include "bank/worker.h"

namespace cairn::examples::bank {
namespace {

struct RunOptions {
  std::string directory;
  std::string csv;
  GeneratorOptions generator;
  unsigned threads = 8;
  unsigned kills = 3;
  std::string json;
  std::vector<std::string> rms{"rocksdb", "kv"};
};

int fail(const Status& status) {
  std::cerr << "cairn-bank: " << status.to_string() << "\n";
  return 1;
}

Result<std::vector<Transfer>> read_or_generate(const RunOptions& options) {
  if (options.csv.empty()) return generate(options.generator);
  std::ifstream in(options.csv);
  if (!in) return Status(StatusCode::kNotFound, options.csv + ": cannot be opened");
  CAIRN_ASSIGN_OR_RETURN(auto transfers, read_csv(in, options.csv));
  if (!transfers.empty()) return transfers;
  return Status(StatusCode::kInvalidArgument,
                options.csv + ": expected at least one transfer, found none");
}

Result<Report> run(const RunOptions& options) {
  DriverOptions driver;
  CAIRN_ASSIGN_OR_RETURN(driver.transfers, read_or_generate(options));
  CAIRN_ASSIGN_OR_RETURN(
      const BankDirectory directory,
      make_directory(options.directory.empty() ? default_directory() : options.directory));
  driver.directory = directory.path;
  driver.accounts = accounts_of(driver.transfers);
  driver.threads = options.threads;
  driver.kills = options.kills;
  driver.rms = options.rms;
  driver.seed = options.generator.seed;
  driver.show_progress = ::isatty(STDOUT_FILENO) == 1;
  return run_driver(driver);
}

int run_command(const RunOptions& options) {
  const Status cannot_write(StatusCode::kIoError, options.json + ": cannot be written");
  std::ofstream json;
  if (!options.json.empty()) {  // said before the work, not after it
    json.open(options.json);
    if (!json) return fail(cannot_write);
  }
  const Result<Report> report = run(options);
  if (!report) return fail(report.status());
  std::cout << to_text(*report) << std::flush;
  if (json.is_open() && !(json << to_json(*report)).flush()) return fail(cannot_write);
  return report->is_success() ? 0 : 1;
}

int generate_command(const GeneratorOptions& options) {
  const auto transfers = generate(options);
  if (!transfers) return fail(transfers.status());
  write_csv(std::cout, *transfers);
  if (std::cout.flush()) return 0;
  return fail(Status(StatusCode::kIoError, "standard output: cannot be written"));
}

void add_generator_options(CLI::App& command, GeneratorOptions& options) {
  command.add_option("--transfers", options.transfers, "How many to generate")
      ->check(CLI::Range(1, 100'000'000))
      ->capture_default_str();
  command.add_option("--accounts", options.accounts, "Between how many accounts")
      ->check(CLI::Range(2, 10'000'000))
      ->capture_default_str();
  command.add_option("--seed", options.seed, "Of all random choices")->capture_default_str();
}

int dispatch(int argc, char** argv) {
  CLI::App app(
      "Transfers between accounts that lie in several stores: half in RocksDB and half in the "
      "reference resource manager, or in servers that are started for it");
  app.require_subcommand(1);

  GeneratorOptions generator;
  CLI::App* const generate = app.add_subcommand("generate", "Write transfers as CSV");
  add_generator_options(*generate, generator);

  RunOptions run;
  CLI::App* const runner =
      app.add_subcommand("run", "Do transfers, be killed, recover, and audit the result");
  add_generator_options(*runner, run.generator);
  runner->add_option("--csv", run.csv, "Read transfers from a file instead of generating them")
      ->excludes("--transfers")
      ->excludes("--accounts");
  runner->add_option("--dir", run.directory, "Where the bank lies; default: a new one below out/");
  runner->add_option("--threads", run.threads, "Transfers at a time")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  runner->add_option("--kills", run.kills, "How often to kill the worker")
      ->check(CLI::Range(0, 10'000))
      ->capture_default_str();
  runner
      ->add_option("--rms", run.rms,
                   "The stores, two or more of those this program was built with; a server of each "
                   "that has one is started")
      ->delimiter(',')
      ->capture_default_str();
  runner->add_option("--json", run.json, "Also write the report to this file");

  WorkerOptions worker;
  CLI::App* const work = app.add_subcommand("worker", "What run starts and kills")->group("");
  work->add_option("--dir", worker.directory)->required();
  work->add_option("--csv", worker.csv)->required();
  work->add_option("--accounts", worker.accounts)->required();
  work->add_option("--threads", worker.threads)->required();
  std::vector<std::string> stores;  // "kind=address"
  work->add_option("--store", stores)->required();

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& end) {
    return app.exit(end) == 0 ? 0 : 1;
  }
  if (generate->parsed()) return generate_command(generator);
  if (work->parsed()) {
    worker.places.clear();
    for (const std::string& store : stores) {
      const std::size_t end = std::min(store.find('='), store.size());
      worker.places.push_back(
          {store.substr(0, end), store.substr(std::min(end + 1, store.size()))});
    }
    return run_worker(worker);
  }
  return run_command(run);
}

}  // namespace
}  // namespace cairn::examples::bank

int main(int argc, char** argv) {
  try {
    return cairn::examples::bank::dispatch(argc, argv);
  } catch (const std::exception& error) {  // CLI11, fmt and JSON report by exceptions
    std::cerr << "cairn-bank: " << error.what() << "\n";
    return 1;
  }
}
