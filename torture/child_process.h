// ChildProcess: a forked process that works until it is killed, and the pipe on which it speaks.
#ifndef CAIRN_TORTURE_CHILD_PROCESS_H_
#define CAIRN_TORTURE_CHILD_PROCESS_H_

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace cairn::torture {

// The destructor kills it. It dies with its parent.
struct ChildProcess {
  // `work` is given the writing end of the pipe and must not return.
  template <typename Work>
  explicit ChildProcess(const Work& work) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return;
    const pid_t parent = ::getpid();
    process = ::fork();
    if (process == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);
      ::close(ends[0]);
      work(ends[1]);
      ::_exit(1);
    }
    ::close(ends[1]);
    pipe = ends[0];
  }
  ~ChildProcess() {
    kill_now();
    if (pipe >= 0) ::close(pipe);
    (void)wait();
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void kill_now() const {
    if (process > 0) ::kill(process, SIGKILL);
  }
  // Its end, as waitpid() tells it; once.
  int wait() {
    int end = 0;
    while (process > 0 && ::waitpid(process, &end, 0) < 0 && errno == EINTR) {
    }
    process = -1;
    return end;
  }

  pid_t process = -1;  // fork() failed
  int pipe = -1;
};

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_CHILD_PROCESS_H_
