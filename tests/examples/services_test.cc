// The services among the examples, each a process over a private PostgreSQL server: killed in the
// middle, started again, and right at the end.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "servers/shared_pg_server.h"
#include "servers/temporary_directory.h"

namespace cairn::examples {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

struct Ended {
  int status = -1;  // of waitpid()
  std::vector<std::string> lines;
};

// Runs a program to its end, or until it has said so many lines: then it is killed.
Ended run(const std::vector<std::string>& command, std::size_t kill_behind = ~std::size_t{0}) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  std::vector<char*> arguments;
  for (const std::string& one : command) arguments.push_back(const_cast<char*>(one.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  Ended ran;
  std::FILE* const output = ::fdopen(ends[0], "r");
  std::array<char, 4096> line;
  while (std::fgets(line.data(), line.size(), output) != nullptr) {
    ran.lines.emplace_back(line.data());
    if (ran.lines.size() == kill_behind) ::kill(child, SIGKILL);
  }
  std::fclose(output);
  ::waitpid(child, &ran.status, 0);
  return ran;
}

class ServicesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!rm::shared_pg_server()) GTEST_SKIP() << rm::shared_pg_server().status().message();
  }
  static rm::PgServer& server() { return **rm::shared_pg_server(); }
  // Of the services' database: all of a row in one text.
  static std::vector<std::string> ask(const std::string& query) {
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(
        PQconnectdb(server().conninfo().c_str()), &PQfinish);
    const std::unique_ptr<PGresult, decltype(&PQclear)> rows(
        PQexec(connection.get(), query.c_str()), &PQclear);
    std::vector<std::string> texts;
    for (int row = 0; row < PQntuples(rows.get()); ++row) {
      texts.emplace_back(PQgetvalue(rows.get(), row, 0));
    }
    return texts;
  }

  const TemporaryDirectory directory_;
};

TEST_F(ServicesTest, EachOrderIsShippedOnceThoughTheServiceIsKilled) {
  const std::vector<std::string> command{CAIRN_ORDERS, server().conninfo(), directory_ / "log",
                                         "12"};
  for (const std::size_t lines : {1u, 2u, 3u}) run(command, lines);
  const Ended last = run(command);
  ASSERT_TRUE(WIFEXITED(last.status) && WEXITSTATUS(last.status) == 0);
  EXPECT_EQ(last.lines.back(), "12 orders, all shipped\n");
  EXPECT_THAT(ask("SELECT count(*) || ' ' || min(shipments) || ' ' || max(shipments) FROM orders"),
              ElementsAre("12 1 1"));
  EXPECT_TRUE(server().prepared().empty());
}

TEST_F(ServicesTest, AFileIsImportedAndMovedOrNeitherThoughTheImportIsKilled) {
  fs::create_directories(directory_ / "tree/in");
  for (const char* const name : {"a", "b", "c", "d", "e"}) {
    std::ofstream(directory_ / "tree/in/" + name) << "x,1\ny,2\n";
  }
  std::ofstream(directory_ / "tree/in/wrong") << "x,1\nno number\n";
  const std::vector<std::string> command{CAIRN_IMPORT, server().conninfo(), directory_.path()};
  run(command, 2);
  const Ended last = run(command);
  EXPECT_TRUE(WIFEXITED(last.status) && WEXITSTATUS(last.status) == 1) << "of the wrong one";
  EXPECT_THAT(ask("SELECT file || count(*) || sum(number) FROM imported GROUP BY file ORDER BY 1"),
              ElementsAre("a23", "b23", "c23", "d23", "e23"));
  std::set<std::string> in;
  for (const auto& entry : fs::directory_iterator(directory_ / "tree/in")) {
    in.insert(entry.path().filename());
  }
  EXPECT_THAT(in, ElementsAre("wrong"));
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_ / "tree/done"), {}), 5);
  EXPECT_TRUE(server().prepared().empty());
}

}  // namespace
}  // namespace cairn::examples
