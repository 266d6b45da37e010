// LogScenario: a seeded client of a log that does a bit of everything.
#ifndef CAIRN_TORTURE_LOG_SCENARIO_H_
#define CAIRN_TORTURE_LOG_SCENARIO_H_

#include <map>
#include <memory>
#include <string>

#include <cairn/sim/random.h>
#include <cairn/torture/modelled_log.h>

namespace cairn::torture {

struct ScenarioOptions {
  std::uint64_t seed = 1;
  // The weight of steps (all others: 95) that write about a quarter of a container, so that
  // containers fill up and are recycled.
  unsigned bursts = 5;
  // The weight of steps that truncate the log.
  unsigned truncations = 0;
  // The weight of steps that change the policies, add and remove containers, reserve, use what was
  // reserved, move the archive tail, and (half of it) fill the log to its maximum, or append and
  // change a reservation in one. Above 0, the owners of all streams follow requests to advance.
  unsigned space = 0;
  log::CreateOptions create = small_log();
};

// Streams are made and deleted, records of 0 to 60,000 bytes appended at all three levels, restart
// areas written with and without a new base, bases advanced, the log flushed, closed and reopened.
// If asked for, also all that concerns its space. For one thread; an append that waits for space
// does so on another one, while this one stands still.
class LogScenario {
 public:
  LogScenario(std::shared_ptr<log::Storage> storage, const ScenarioOptions& options);

  // Makes the log in the directory "log", with its first two streams.
  [[nodiscard]] Status start();
  // Instead: opens the log that a crash left (or makes it, if nobody was told that it is there), of
  // which `known` was known, and goes on with it. `*violation` is the first of I1 to I4 and I8, or
  // empty. Error: what the log's calls say.
  [[nodiscard]] Status recover(const LogModel& known, std::string* violation);
  // One random step. A full log is no error: the bases are advanced.
  [[nodiscard]] Status step();

  // A record that is durable on return; in a full log the bases are advanced first.
  [[nodiscard]] Status append_one();

  // What is known now, also from within a call.
  [[nodiscard]] const LogModel& model() const { return log_ ? log_->model() : model_; }
  // What the newest step was, for messages.
  [[nodiscard]] const std::string& last_step() const { return last_step_; }
  // How often an owner was asked to advance, and an append waited for space and got it.
  struct Counts {
    std::uint64_t requests = 0;
    std::uint64_t waits = 0;
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  [[nodiscard]] Status do_step();
  [[nodiscard]] Status append(std::size_t most_bytes, log::Durability durability);
  [[nodiscard]] Status short_append();
  [[nodiscard]] Status middle_append();
  [[nodiscard]] Status long_append();
  [[nodiscard]] Status flush();
  [[nodiscard]] Status background();
  [[nodiscard]] Status burst();
  [[nodiscard]] Status restart_area();
  [[nodiscard]] Status advance_base();
  [[nodiscard]] Status make_or_delete_stream();
  [[nodiscard]] Status truncate();
  [[nodiscard]] log::OpenOptions open_options();
  [[nodiscard]] Status reopen();
  [[nodiscard]] Status set_policies();
  [[nodiscard]] Status add_or_remove_containers();
  [[nodiscard]] Status reserve();
  [[nodiscard]] Status reserve(std::uint32_t records, std::uint64_t bytes);
  [[nodiscard]] Status use_reserved();
  [[nodiscard]] Status append_and_change_reservation();
  [[nodiscard]] Status move_archive_tail();
  [[nodiscard]] Status fill();
  // In a full log: appends that wait for space, in vain and until a reservation is given back.
  [[nodiscard]] Status wait_for_space();
  // A record of what was reserved for `stream`.
  [[nodiscard]] Status append_paid(const std::string& stream, log::Reservation& reservation);
  [[nodiscard]] Status make_room();
  [[nodiscard]] Status create_stream();
  // From now on the stream's owner is asked to advance.
  [[nodiscard]] Status listen(const std::string& stream);
  void follow_request(const std::string& stream, const log::AdvanceRequest& request);

  [[nodiscard]] const std::string& any_stream();
  // A record of the stream at or behind its base, or null.
  [[nodiscard]] Lsn any_record(const std::string& stream);
  [[nodiscard]] Bytes bytes(std::size_t size);
  [[nodiscard]] log::Durability any_durability();

  std::shared_ptr<log::Storage> storage_;
  ScenarioOptions options_;
  std::uint64_t openings_ = 0;
  sim::Random random_;
  std::unique_ptr<ModelledLog> log_;
  std::map<std::string, log::Reservation> reserved_;  // by stream
  Status callback_status_;                            // the first error in an owner's callback
  LogModel model_;                                    // while no log is open
  Counts counts_;
  unsigned next_stream_ = 0;
  std::string last_step_ = "create";
};

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_LOG_SCENARIO_H_
