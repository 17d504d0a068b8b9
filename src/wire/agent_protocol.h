/*
 * atolld ↔ atoll-agent. One connection is one operation: the daemon sends a HEAD frame whose fields
 * name the operation and its arguments, then what the operation takes; the agent answers and ends
 * with exactly one final frame (EXIT, DONE or ERROR). Closing the connection cancels the operation:
 * a running command's whole process tree is killed, a partly written file is discarded.
 */
#ifndef ATOLL_WIRE_AGENT_PROTOCOL_H
#define ATOLL_WIRE_AGENT_PROTOCOL_H

enum agent_frame {
    AGENT_FRAME_HEAD = 1, /* d→a fields; first, once */
    AGENT_FRAME_STDIN,    /* d→a raw bytes; an empty payload is end of input */
    AGENT_FRAME_SIGNAL,   /* d→a AGENT_SIGNAL: sent to the command's process group */
    AGENT_FRAME_DATA,     /* both: raw bytes of a file */
    AGENT_FRAME_DATA_END, /* both: no more file data (empty) */
    AGENT_FRAME_STDOUT,   /* a→d raw bytes */
    AGENT_FRAME_STDERR,   /* a→d raw bytes */
    AGENT_FRAME_STARTED,  /* a→d AGENT_PID: the command's execve succeeded */
    AGENT_FRAME_STAT,     /* a→d the file's fields: head of a READ reply; one per entry of a LIST */
    AGENT_FRAME_EXIT,     /* a→d final of EXEC: how the command ended */
    AGENT_FRAME_DONE,     /* a→d final of everything else */
    AGENT_FRAME_ERROR,    /* a→d final: AGENT_ERRNO, AGENT_MESSAGE, AGENT_STAGE */
};

enum agent_operation {
    AGENT_OP_HELLO = 1,    /* → DONE {VERSION, PROCESS_COUNT, DISK_TOTAL, DISK_FREE} */
    AGENT_OP_EXEC,         /* ARGUMENT+, ENV*, [CWD], [USER], [TIMEOUT_MS], [OPEN_STDIN] → STARTED,
                              STDOUT/STDERR*, EXIT {EXIT_CODE, [EXIT_SIGNAL], TIMED_OUT, OOM_KILLED,
                              DISK_FREE, DURATION_US} */
    AGENT_OP_FILE_WRITE,   /* PATH, [MODE], then DATA*, DATA_END → DONE {SIZE, MODE, PATH}. Parents are
                              created; the file appears whole or not at all. */
    AGENT_OP_FILE_READ,    /* PATH, [OFFSET], [LENGTH] → STAT, DATA*, DATA_END, DONE. Regular files
                              only. OFFSET < 0 means that many bytes from the end. */
    AGENT_OP_FILE_LIST,    /* PATH, [DEPTH ≥ 1, default 1], [LIMIT] → STAT*, DONE {TRUNCATED}. Entries
                              below PATH, parents before children; symbolic links are not followed. */
    AGENT_OP_FILE_STAT,    /* PATH, [NO_FOLLOW] → DONE {file fields} */
    AGENT_OP_FILE_MKDIR,   /* PATH, [MODE], [RECURSIVE: parents, and existing is fine] → DONE {MODE} */
    AGENT_OP_FILE_RENAME,  /* PATH, TARGET: replaces an existing file, creates TARGET's parents → DONE */
    AGENT_OP_FILE_CHMOD,   /* PATH, MODE → DONE {MODE} */
    AGENT_OP_FILE_REMOVE,  /* PATH, [RECURSIVE] → DONE {COUNT} */
    AGENT_OP_SYNC,         /* flushes the sandbox's disk (syncfs) → DONE */
};

/* Tags. Integers unless noted. */
enum agent_tag {
    AGENT_OPERATION = 1, /* enum agent_operation */
    AGENT_PATH,          /* text, absolute, ≤ 4095 bytes */
    AGENT_TARGET,        /* text, absolute */
    AGENT_MODE,          /* permission bits, ≤ 07777 */
    AGENT_RECURSIVE,     /* 0 or 1 */
    AGENT_OFFSET,        /* bytes */
    AGENT_LENGTH,        /* bytes */
    AGENT_DEPTH,
    AGENT_LIMIT,         /* entries */
    AGENT_NO_FOLLOW,     /* 0 or 1: stat the link itself */
    AGENT_ARGUMENT,      /* text, repeats: the argument vector */
    AGENT_ENV,           /* text "KEY=value", repeats: the whole environment */
    AGENT_CWD,           /* text, absolute; default the user's home, else / */
    AGENT_USER,          /* text: name or decimal uid, resolved in the sandbox's /etc/passwd; default root */
    AGENT_TIMEOUT_MS,    /* absent or 0: none */
    AGENT_OPEN_STDIN,    /* 1: STDIN frames follow; otherwise stdin is /dev/null */
    AGENT_SIGNAL,        /* signal number */
    AGENT_PID,
    AGENT_EXIT_CODE,     /* 0..255; 128 + signal when killed by one */
    AGENT_EXIT_SIGNAL,   /* signal that ended it, absent otherwise */
    AGENT_TIMED_OUT,     /* 0 or 1 */
    AGENT_OOM_KILLED,    /* 1: the kernel killed something here for memory while it ran */
    AGENT_DURATION_US,
    AGENT_ERRNO,         /* positive errno */
    AGENT_MESSAGE,       /* text: what failed, without the errno's text */
    AGENT_STAGE,         /* text, of EXEC errors: "cwd", "user", "exec", "fork", "pipe" */
    AGENT_SIZE,          /* bytes */
    AGENT_MODIFIED_MS,   /* milliseconds since 1970 */
    AGENT_FILE_TYPE,     /* enum agent_file_type */
    AGENT_UID,
    AGENT_GID,
    AGENT_OWNER,         /* text: user name, or decimal uid */
    AGENT_GROUP,         /* text: group name, or decimal gid */
    AGENT_LINK_TARGET,   /* text: of a symbolic link */
    AGENT_TRUNCATED,     /* 1: LIMIT was reached */
    AGENT_COUNT,
    AGENT_VERSION,       /* text */
    AGENT_PROCESS_COUNT,
    AGENT_DISK_TOTAL,    /* bytes */
    AGENT_DISK_FREE,     /* bytes, of the file system at / */
};

enum agent_file_type {
    AGENT_FILE_REGULAR = 1,
    AGENT_FILE_DIRECTORY,
    AGENT_FILE_SYMLINK,
    AGENT_FILE_OTHER,
};

enum {
    AGENT_PATH_MAX = 4096,        /* PATH_MAX, with its NUL */
    AGENT_LIST_LIMIT_MAX = 10000, /* entries in one LIST */
    AGENT_LIST_DEPTH_MAX = 32,
    AGENT_ARGUMENTS_MAX = 4096,   /* ARGUMENT fields */
    AGENT_ENV_MAX = 4096,         /* ENV fields */
};

#endif
