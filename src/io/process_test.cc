// What the operating system is told of threads.
#include "io/process.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>

#include <string>
#include <thread>

namespace diskdb::io {
namespace {

struct Introduced {
  std::string name;
  int nice;
};

Introduced introduced(const char* name, Work work) {
  Introduced result;
  std::thread thread([&] {
    introduce_thread(name, work);
    char text[16];
    ::pthread_getname_np(::pthread_self(), text, sizeof text);
    result = {text, ::getpriority(PRIO_PROCESS, 0)};
  });
  thread.join();
  return result;
}

TEST(Thread, InTheBackgroundTakesLess) {
  const int usual = ::getpriority(PRIO_PROCESS, 0);
  EXPECT_GT(introduced("checkpointer", Work::kInBackground).nice, usual);
  EXPECT_EQ(introduced("network", Work::kForClients).nice, usual);
  EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), usual) << "only that thread";
}

TEST(Thread, HasItsName) {
  EXPECT_EQ(introduced("fifteen letters", Work::kForClients).name, "fifteen letters");
}

}  // namespace
}  // namespace diskdb::io
