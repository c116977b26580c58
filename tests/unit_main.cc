// tests/unit_main.cc — main() of every unit test executable: GoogleTest's, and then, into the file
// that $DISKDB_REACHED_FILE names, a line for every mark of base/reached.h: "reached NAME" or
// "never NAME". tools/run_tests.py sums these files up.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "base/reached.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const int code = RUN_ALL_TESTS();
#ifdef DISKDB_SLOW_ASSERTS
  if (const char* path = std::getenv("DISKDB_REACHED_FILE"); path != nullptr) {
    if (std::FILE* file = std::fopen(path, "w"); file != nullptr) {
      for (const diskdb::ReachedMark* mark : diskdb::reached_marks()) {
        std::fprintf(file, "%s %s\n", mark->is_reached ? "reached" : "never", mark->name);
      }
      std::fclose(file);
    }
  }
#endif
  return code;
}
