#include "agent/account.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

/* Longer lines are skipped; the file belongs to the sandbox and may hold anything. */
enum { LINE_MAX_BYTES = 4096, FIELDS_MAX = 7, FILE_MAX_BYTES = 1024 * 1024 };

/* Splits line at colons; returns how many fields. */
static int split(char *line, char *fields[FIELDS_MAX])
{
    int count = 0;
    while (count < FIELDS_MAX) {
        fields[count++] = line;
        line = strchr(line, ':');
        if (!line) {
            break;
        }
        *line++ = '\0';
    }
    return count;
}

static bool parse_id(const char *text, unsigned *ret_id)
{
    uint64_t value = 0;
    if (!*text) {
        return false;
    }
    for (; *text; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(*text - '0');
        if (value >= UINT32_MAX) { /* -1 means "leave it" to setresuid(2) */
            return false;
        }
    }
    *ret_id = (unsigned)value;
    return true;
}

/* Calls on_line with the fields of each line until it returns false. */
static void each_line(int etc_fd, const char *name,
                      bool (*on_line)(char *fields[FIELDS_MAX], int count, void *context),
                      void *context)
{
    auto_close int fd = openat(etc_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        return;
    }
    char buffer[LINE_MAX_BYTES];
    size_t held = 0;
    bool skipping = false;
    for (size_t total = 0; total < FILE_MAX_BYTES;) {
        ssize_t got = read(fd, buffer + held, sizeof(buffer) - 1 - held);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            buffer[held++] = '\n'; /* a last line without its end */
        } else {
            held += (size_t)got;
            total += (size_t)got;
        }
        char *line = buffer;
        char *end;
        while ((end = memchr(line, '\n', held - (size_t)(line - buffer)))) {
            *end = '\0';
            char *fields[FIELDS_MAX];
            if (!skipping && !on_line(fields, split(line, fields), context)) {
                return;
            }
            skipping = false;
            line = end + 1;
        }
        if (got <= 0) {
            return;
        }
        held -= (size_t)(line - buffer);
        memmove(buffer, line, held);
        if (held == sizeof(buffer) - 1) {
            skipping = true;
            held = 0;
        }
    }
}

struct user_search {
    const char *name; /* or NULL: search uid */
    uid_t uid;
    bool found;
    struct account *account;
};

static bool on_passwd_line(char *fields[FIELDS_MAX], int count, void *context)
{
    struct user_search *search = context;
    unsigned uid;
    unsigned gid;
    if (count < 6 || !parse_id(fields[2], &uid) || !parse_id(fields[3], &gid) ||
        strlen(fields[0]) >= ACCOUNT_NAME_SIZE) {
        return true;
    }
    if (search->name ? strcmp(search->name, fields[0]) != 0 : search->uid != uid) {
        return true;
    }
    search->account->uid = uid;
    search->account->gid = gid;
    snprintf(search->account->name, ACCOUNT_NAME_SIZE, "%s", fields[0]);
    if (fields[5][0] == '/' && strlen(fields[5]) < ACCOUNT_HOME_SIZE) {
        snprintf(search->account->home, ACCOUNT_HOME_SIZE, "%s", fields[5]);
    }
    search->found = true;
    return false;
}

static bool list_contains(const char *list, const char *name)
{
    size_t length = strlen(name);
    while (*list) {
        size_t word = strcspn(list, ",");
        if (word == length && memcmp(list, name, length) == 0) {
            return true;
        }
        list += word + (list[word] == ',');
    }
    return false;
}

static bool on_group_line(char *fields[FIELDS_MAX], int count, void *context)
{
    struct account *account = context;
    unsigned gid;
    if (count >= 4 && parse_id(fields[2], &gid) && gid != account->gid &&
        list_contains(fields[3], account->name)) {
        account->groups[account->group_count++] = gid;
    }
    return account->group_count < ACCOUNT_GROUPS_MAX;
}

int account_find(int etc_fd, const char *user, struct account *ret_account)
{
    struct account account = {.home = "/"};
    struct user_search search = {.name = user, .account = &account};
    each_line(etc_fd, "passwd", on_passwd_line, &search);
    unsigned uid;
    if (!search.found && parse_id(user, &uid)) {
        account.uid = uid;
        account.gid = uid;
        snprintf(account.name, sizeof(account.name), "%u", uid);
        search.name = NULL;
        search.uid = uid;
        each_line(etc_fd, "passwd", on_passwd_line, &search);
    } else if (!search.found && strcmp(user, "root") == 0) {
        /* The default user exists even when the sandbox spoiled its passwd. */
        snprintf(account.name, sizeof(account.name), "root");
    } else if (!search.found) {
        return ENOENT;
    }
    account.groups[0] = account.gid;
    account.group_count = 1;
    each_line(etc_fd, "group", on_group_line, &account);
    *ret_account = account;
    return 0;
}

void account_user_name(int etc_fd, uid_t uid, char text[ACCOUNT_NAME_SIZE])
{
    struct account account;
    struct user_search search = {.uid = uid, .account = &account};
    each_line(etc_fd, "passwd", on_passwd_line, &search);
    if (search.found) {
        snprintf(text, ACCOUNT_NAME_SIZE, "%s", account.name);
    } else {
        snprintf(text, ACCOUNT_NAME_SIZE, "%u", (unsigned)uid);
    }
}

struct group_search {
    gid_t gid;
    bool found;
    char *text;
};

static bool on_group_name_line(char *fields[FIELDS_MAX], int count, void *context)
{
    struct group_search *search = context;
    unsigned gid;
    if (count < 3 || !parse_id(fields[2], &gid) || gid != search->gid ||
        strlen(fields[0]) >= ACCOUNT_NAME_SIZE) {
        return true;
    }
    snprintf(search->text, ACCOUNT_NAME_SIZE, "%s", fields[0]);
    search->found = true;
    return false;
}

void account_group_name(int etc_fd, gid_t gid, char text[ACCOUNT_NAME_SIZE])
{
    struct group_search search = {.gid = gid, .text = text};
    each_line(etc_fd, "group", on_group_name_line, &search);
    if (!search.found) {
        snprintf(text, ACCOUNT_NAME_SIZE, "%u", (unsigned)gid);
    }
}
