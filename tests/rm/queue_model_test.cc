// Queues against a model that is a list: random work of several transactions at a time, with
// restarts and power cuts in between.
#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rm/queue_machine.h"
#include "sim/test_budget.h"

namespace cairn::rm {
namespace {

struct ModelMessage {
  std::uint64_t place = 0;  // in the order of commits
  std::string body;
  std::uint32_t deliveries = 0;
};
using ModelQueue = std::map<std::uint64_t, ModelMessage>;  // ready, by place

// A transaction that is open, and what it would do.
struct OpenWork {
  tm::Transaction transaction;
  std::vector<std::pair<std::string, std::string>> produced;  // queue, body
  std::vector<std::pair<std::string, ModelMessage>> taken;
};

class QueueModel {
 public:
  explicit QueueModel(std::uint64_t seed)
      : random_(seed), machine_({.durable_deliveries = true, .snapshot_bytes = 200 + seed % 900}) {}

  // "": as the model says, all the way.
  std::string run(int steps) {
    if (Status started = machine_.start(); !started) return started.to_string();
    for (int step = 0; step < steps; ++step) {
      std::string wrong = take_step();
      if (wrong.empty()) wrong = compare();
      if (!wrong.empty()) return "step " + std::to_string(step) + ": " + wrong;
    }
    return {};
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  std::string some_queue() { return below(2) == 0 ? "q" : "r"; }

  std::string take_step() {
    if (works_.empty() || (works_.size() < 3 && below(4) == 0)) {
      works_.push_back({machine_.begin(), {}, {}});
    }
    OpenWork& work = works_[below(works_.size())];
    switch (below(20)) {
      default:
        return produce(work);
      case 6:
      case 7:
      case 8:
      case 9:
      case 10:
        return consume(work);
      case 11:
      case 12:
      case 13:
        return commit(work);
      case 14:
      case 15:
        return roll_back(work);
      case 16:
        machine_.close_queues();
        return forget_works(machine_.open_queues());
      case 17:
        return forget_works(machine_.crash_and_start(sim::survive_random(random_()), random_()));
    }
  }

  std::string produce(OpenWork& work) {
    const std::string queue = some_queue();
    const std::string body = std::to_string(next_body_++);
    work.produced.emplace_back(queue, body);
    return machine_.queues().produce(work.transaction, queue, body) ? "" : "produce";
  }

  std::string consume(OpenWork& work) {
    const std::string queue = some_queue();
    const auto got = machine_.queues().consume(work.transaction, queue);
    ModelQueue& ready = ready_[queue];
    if (ready.empty()) return got.code() == StatusCode::kTimeout ? "" : "consumed out of nothing";
    ModelMessage message = ready.begin()->second;
    ready.erase(ready.begin());
    ++message.deliveries;
    work.taken.emplace_back(queue, message);
    if (!got) return got.status().to_string();
    if (got->body == message.body && got->deliveries == message.deliveries) return {};
    return "expected " + message.body + " for the " + std::to_string(message.deliveries) +
           ". time, found " + got->body + " for the " + std::to_string(got->deliveries) + ".";
  }

  std::string commit(OpenWork& work) {
    Status done;
    if (below(2) == 0) {
      auto partner = machine_.join(work.transaction);
      done = machine_.commit_with(work.transaction, &partner);
    } else {
      done = work.transaction.commit();
    }
    for (const auto& [queue, body] : work.produced) {
      ready_[queue].emplace(next_place_, ModelMessage{next_place_, body, 0});
      ++next_place_;
    }
    drop(work);
    return done ? "" : done.to_string();
  }

  std::string roll_back(OpenWork& work) {
    const Status done = work.transaction.rollback();
    put_back(work);
    drop(work);
    // Those that take part hear of it in their own time.
    while (done && machine_.queues().health() && taken() != model_taken()) {
      std::this_thread::yield();
    }
    return done ? "" : done.to_string();
  }

  // All that were open are over.
  std::string forget_works(const Status& started) {
    for (OpenWork& work : works_) put_back(work);
    works_.clear();
    return started ? "" : started.to_string();
  }

  void put_back(OpenWork& work) {
    for (const auto& [queue, message] : work.taken) ready_[queue].emplace(message.place, message);
    work.taken.clear();
  }
  void drop(const OpenWork& work) { works_.erase(works_.begin() + (&work - works_.data())); }

  std::uint64_t taken() const {
    return machine_.queues().depth("q").taken + machine_.queues().depth("r").taken;
  }
  std::uint64_t model_taken() const {
    std::uint64_t sum = 0;
    for (const OpenWork& work : works_) sum += work.taken.size();
    return sum;
  }

  std::string compare() {
    if (taken() != model_taken()) return "taken: " + std::to_string(taken());
    for (const auto& [queue, ready] : ready_) {
      const auto found = machine_.queues().browse(queue);
      const bool same = std::equal(found.begin(), found.end(), ready.begin(), ready.end(),
                                   [](const QueueMessage& message, const auto& entry) {
                                     return message.body == entry.second.body &&
                                            message.deliveries == entry.second.deliveries;
                                   });
      if (!same) return queue + ": other messages, in another order or with other counts";
    }
    return {};
  }

  std::mt19937_64 random_;
  mutable QueueMachine machine_;
  std::vector<OpenWork> works_;
  std::map<std::string, ModelQueue> ready_;
  std::uint64_t next_place_ = 0;
  std::uint64_t next_body_ = 0;
};

TEST(QueueAgainstAModel, RandomWorkRestartsAndPowerCuts) {
  for (std::uint64_t seed = 1; seed <= sim::budgeted(8); ++seed) {
    ASSERT_EQ(QueueModel(seed).run(150), "") << "seed " << seed;
  }
}

}  // namespace
}  // namespace cairn::rm
