#include "check.h"

#include <stdio.h>
#include <string.h>

static struct {
    long check_count;
    long failed_count;
    const char *skip_reason;
} current;

bool check_that(bool held, const char *what, const char *file, int line)
{
    current.check_count++;
    if (!held) {
        current.failed_count++;
        printf("# %s:%d: does not hold: %s\n", file, line, what);
    }
    return held;
}

bool check_int(long long got, long long wanted, const char *what, const char *file, int line)
{
    current.check_count++;
    if (got != wanted) {
        current.failed_count++;
        printf("# %s:%d: %s is %lld, not %lld\n", file, line, what, got, wanted);
    }
    return got == wanted;
}

bool check_text(const char *got, const char *wanted, const char *what, const char *file, int line)
{
    current.check_count++;
    bool same = got && strcmp(got, wanted) == 0;
    if (!same) {
        current.failed_count++;
        printf("# %s:%d: %s is '%s', not '%s'\n", file, line, what, got ? got : "(null)", wanted);
    }
    return same;
}

void check_skip(const char *reason)
{
    current.skip_reason = reason;
}

int check_run(int argc, char **argv, const struct check_case *cases, size_t count)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    long failed_cases = 0;
    long checks = 0;
    int number = 0;
    for (size_t i = 0; i < count; i++) {
        if (argc > 1 && !strstr(cases[i].name, argv[1])) {
            continue;
        }
        memset(&current, 0, sizeof(current));
        cases[i].run();
        printf("%s %d - %s", current.failed_count > 0 ? "not ok" : "ok", ++number, cases[i].name);
        if (current.skip_reason) {
            printf(" # SKIP %s", current.skip_reason);
        }
        printf("\n");
        failed_cases += current.failed_count > 0;
        checks += current.check_count;
    }
    printf("1..%d\n# %ld checks, %ld of %d cases failed\n", number, checks, failed_cases, number);
    return failed_cases > 0;
}
