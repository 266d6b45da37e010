#include "tools/command.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include <gtest/gtest.h>

#include <cairn/uuid.h>

namespace cairn {
namespace {

constexpr std::chrono::milliseconds kPause{10};

// Asks until the answer is yes, or the time is over.
template <typename Question>
bool eventually(std::chrono::seconds limit, Question question) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!question()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

}  // namespace

std::string file_bytes(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::ostream& operator<<(std::ostream& stream, const Outcome& outcome) {
  return stream << "exit " << outcome.exit_code << "\n--- out\n"
                << outcome.out << "--- err\n"
                << outcome.err;
}

RunningCommand::RunningCommand(const Arguments& arguments, const std::filesystem::path& directory)
    : out_file_(directory / (Uuid::generate().to_string() + ".out")),
      err_file_(directory / (Uuid::generate().to_string() + ".err")) {
  const int out = ::open(out_file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  start(arguments, out);
  ::close(out);
}

RunningCommand::RunningCommand(const Arguments& arguments, const std::filesystem::path& directory,
                               int out)
    : err_file_(directory / (Uuid::generate().to_string() + ".err")) {
  start(arguments, out);
}

RunningCommand::~RunningCommand() {
  if (ended_ || process_ < 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

void RunningCommand::start(const Arguments& arguments, int out) {
  std::vector<std::string> words{CAIRN_COMMAND};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err_file_.c_str(), O_WRONLY | O_CREAT,
                                   0600);
  const int error = posix_spawn(&process_, CAIRN_COMMAND, &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ASSERT_EQ(error, 0) << CAIRN_COMMAND << " does not start";
}

bool RunningCommand::prints(const std::string& text, std::chrono::seconds limit) const {
  return eventually(limit, [&] { return file_bytes(out_file_).find(text) != std::string::npos; });
}

bool RunningCommand::ends(std::chrono::seconds limit) {
  return eventually(limit, [&] {
    ended_ = ended_ || ::waitpid(process_, &status_, WNOHANG) == process_;
    return ended_;
  });
}

void RunningCommand::signal(int number) const { ::kill(process_, number); }

Outcome RunningCommand::wait() {
  if (!ended_) ended_ = ::waitpid(process_, &status_, 0) == process_;
  const int code = WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_);
  return {code, file_bytes(out_file_), file_bytes(err_file_)};
}

}  // namespace cairn
