/* Minimal unit tests: named cases whose checks are counted; TAP on standard output. */
#ifndef ATOLL_TESTS_CHECK_H
#define ATOLL_TESTS_CHECK_H

#include <stdbool.h>
#include <stddef.h>

struct check_case {
    const char *name;
    void (*run)(void);
};

/* Runs every case, or those whose name contains argv[1]. Returns main's exit code. */
int check_run(int argc, char **argv, const struct check_case *cases, size_t count);

/* Counts a check; prints what did not hold. Returns held. */
bool check_that(bool held, const char *what, const char *file, int line);
bool check_int(long long got, long long wanted, const char *what, const char *file, int line);
bool check_text(const char *got, const char *wanted, const char *what, const char *file, int line);

/* Ends the case as skipped, with a reason. */
void check_skip(const char *reason);

#define CHECK(condition)        check_that((condition), #condition, __FILE__, __LINE__)
#define CHECK_INT(got, wanted)  check_int((got), (wanted), #got, __FILE__, __LINE__)
#define CHECK_TEXT(got, wanted) check_text((got), (wanted), #got, __FILE__, __LINE__)

/* Leaves the case when the condition does not hold: for what later checks stand on. */
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!CHECK(condition)) {                                                                   \
            return;                                                                                \
        }                                                                                          \
    } while (0)

#define CHECK_MAIN(cases)                                                                          \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return check_run(argc, argv, (cases), sizeof(cases) / sizeof((cases)[0]));                 \
    }

#endif
