/*
 * atolld ↔ atoll-agent. One connection is one operation: the daemon sends a HEAD frame whose fields
 * name the operation and its arguments, then what the operation takes; the agent answers and ends
 * with exactly one final frame (EXIT, DONE or ERROR). Closing the connection cancels the operation:
 * a running command's whole process tree is killed, a partly written file is discarded.
 *
 * A session is a command that outlives connections: a job (pipes, output kept in a bounded spool on the
 * sandbox's disk) or a terminal (a PTY with a bounded scrollback in memory). Output has positions: the
 * number of spool bytes before it, which only grows; old output may be gone. A position is opaque to
 * everybody but the agent.
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
    AGENT_FRAME_OUTPUT,   /* a→d a piece of a session's output: STREAM, POSITION (behind the piece),
                             TIME_MS, BYTES, [LOST: bytes before it that are gone] */
    AGENT_FRAME_RESIZE,   /* d→a ROWS, COLS: of an attached terminal */
    AGENT_FRAME_SESSION,  /* a→d the session's fields; one per entry of SESSION_LIST */
    AGENT_FRAME_CAUGHT_UP, /* a→d empty: everything kept was sent, live output follows */
    AGENT_FRAME_CHANGE,   /* a→d WATCH: CHANGE, PATH, [TARGET], FILE_TYPE, SIZE */
    AGENT_FRAME_PORT,     /* a→d PORT, ADDRESS, [PID, NAME]: one per entry of PORTS */
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

    /* Sessions. Fields of a session ("the session's fields"): SESSION_ID, SESSION_KIND, [NAME], COMMAND,
     * CWD, PID, SESSION_STATE, STARTED_MS, [ENDED_MS, EXIT_CODE, EXIT_SIGNAL, TIMED_OUT, OOM_KILLED],
     * RESTARTS, POSITION (end of its output), VIEWERS, [LOG_PATH], [LABEL], [STOPPED]. ENOENT: no such session. */
    AGENT_OP_SESSION_START, /* SESSION_ID, SESSION_KIND, ARGUMENT+, ENV*, COMMAND, [NAME], [LABEL], [CWD],
                               [USER], [TIMEOUT_MS], [OPEN_STDIN], [ROWS, COLS], [RESTART], [LOG_PATH],
                               [PID_PATH], [DETACH_MS], [LIMIT: running sessions of its kind] → DONE {the session's
                               fields}. EEXIST: the id, or a running session of that kind has the NAME;
                               EDQUOT: LIMIT reached; EUSERS: SESSIONS_LIVE_MAX reached. Ids of ended sessions with that NAME are forgotten. */
    AGENT_OP_SESSION_LIST,  /* [SESSION_KIND] → SESSION*, DONE. Oldest first, ended ones included. */
    AGENT_OP_SESSION_GET,   /* SESSION_ID → DONE {the session's fields} */
    AGENT_OP_SESSION_READ,  /* SESSION_ID, [POSITION: output behind it; absent: all that is kept],
                               [FOLLOW], [ROWS, COLS] → OUTPUT*, then without FOLLOW DONE {POSITION,
                               SESSION_STATE}; with FOLLOW CAUGHT_UP, OUTPUT* and, when the session has
                               ended, EXIT {as EXEC, plus POSITION}. With FOLLOW the daemon may send STDIN,
                               SIGNAL, RESIZE frames (those of a session that cannot take them are
                               ignored). Closing the connection only ends the reading. */
    AGENT_OP_SESSION_INPUT, /* SESSION_ID, BYTES, [END_OF_INPUT] → DONE when buffered whole; EAGAIN: the
                               command does not read; EPIPE: no open stdin */
    AGENT_OP_SESSION_SIGNAL, /* SESSION_ID, SIGNAL: to every process of its tree → DONE; ESRCH: ended */
    AGENT_OP_SESSION_STOP,  /* SESSION_ID, GRACE_MS, [FORGET] → SIGTERM to every process of the tree, after
                               GRACE_MS SIGKILL; no restart. DONE {the session's fields} when nothing of
                               the tree is left. FORGET: its record and output go, too. Of an ended
                               session: DONE at once. */

    AGENT_OP_FILE_WATCH, /* PATH, [RECURSIVE] → DONE-less stream: CAUGHT_UP when the watch stands, then
                            CHANGE* until the connection closes; ERROR when PATH itself goes */
    AGENT_OP_PORTS,      /* → PORT* (listening TCP sockets, by port), DONE */

    AGENT_OP_IDENTITY, /* [HOSTNAME], [ADDRESS: of it, in /etc/hosts], [RESOLVERS], [NEW_IDENTITY], [ENTROPY],
                          [TIME_US], [RESTORED], [PROCESS_LIMIT] → DONE when all of it holds, in this order: ENTROPY is credited to the
                          kernel's random pool, which is reseeded; the clock is stepped to TIME_US; files and host
                          name; ERROR when the pool or the clock cannot be set (then no command may run here). From
                          the host only, before a sandbox that was made ahead, or brought back with its memory,
                          is anybody's. */
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
    AGENT_SESSION_ID,    /* text, 1 to 63 characters [A-Za-z0-9_-] */
    AGENT_SESSION_KIND,  /* enum agent_session_kind */
    AGENT_SESSION_STATE, /* enum agent_session_state */
    AGENT_NAME,          /* text ≤ 127 bytes: a service's; a process's in PORT */
    AGENT_LABEL,         /* text ≤ 4095 bytes: the daemon's own, kept and given back */
    AGENT_COMMAND,       /* text ≤ 4095 bytes: what people are shown */
    AGENT_STREAM,        /* 1 stdout (or a terminal's output), 2 stderr */
    AGENT_POSITION,
    AGENT_TIME_MS,       /* milliseconds since 1970 */
    AGENT_BYTES,         /* raw */
    AGENT_LOST,          /* bytes */
    AGENT_FOLLOW,        /* 0 or 1 */
    AGENT_ROWS,          /* 1..AGENT_WINDOW_MAX */
    AGENT_COLS,
    AGENT_RESTART,       /* 1: start it again after it failed (exit code not 0, or a signal), waiting 1 s,
                            doubling to 30 s; 10 s of running start the row anew */
    AGENT_LOG_PATH,      /* text, absolute: a copy of its output as plain text, begun anew with the session, not
                            with a restart; cut to its newer half when it passes AGENT_LOG_MAX_BYTES */
    AGENT_PID_PATH,      /* text, absolute: a file that is given its process id */
    AGENT_DETACH_MS,     /* terminal: ended when nobody has been attached for so long; 0: never */
    AGENT_STARTED_MS,
    AGENT_ENDED_MS,
    AGENT_RESTARTS,      /* count */
    AGENT_VIEWERS,       /* connections that follow it */
    AGENT_END_OF_INPUT,  /* 0 or 1 */
    AGENT_GRACE_MS,
    AGENT_FORGET,        /* 0 or 1 */
    AGENT_CHANGE,        /* enum agent_change */
    AGENT_PORT,          /* 1..65535 */
    AGENT_ADDRESS,       /* text: "127.0.0.1", "0.0.0.0", "::" */
    AGENT_STOPPED,       /* 1: it ended because of SESSION_STOP */
    AGENT_HOSTNAME,      /* text [a-z0-9-]{1,63} */
    AGENT_RESOLVERS,     /* text: comma-separated addresses */
    AGENT_NEW_IDENTITY,  /* 1: a copy: the machine id is made anew */
    AGENT_ENTROPY,       /* raw, AGENT_ENTROPY_BYTES from the host's random pool */
    AGENT_TIME_US,       /* microseconds since 1970, at the moment of sending */
    AGENT_RESTORED,      /* 1: memory was brought back: every other connection is dead and is closed */
    AGENT_PROCESS_LIMIT, /* in a virtual machine: so many processes and threads may commands have together */
};

enum agent_session_kind { AGENT_SESSION_JOB = 1, AGENT_SESSION_TERMINAL };

enum agent_session_state {
    AGENT_SESSION_RUNNING = 1,
    AGENT_SESSION_WAITING, /* between two starts of one with RESTART */
    AGENT_SESSION_ENDED,
};

enum agent_change {
    AGENT_CHANGE_CREATED = 1,
    AGENT_CHANGE_MODIFIED, /* closed after writing, truncated or its attributes changed */
    AGENT_CHANGE_DELETED,
    AGENT_CHANGE_RENAMED,  /* PATH is the old, TARGET the new name, both inside what is watched */
    AGENT_CHANGE_OVERFLOW, /* changes were lost: read PATH's tree again */
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
    AGENT_SESSION_ID_SIZE = 64,   /* with its NUL */
    AGENT_NAME_SIZE = 128,        /* with its NUL */
    AGENT_SESSIONS_LIVE_MAX = 1000, /* sessions that have not ended, of all kinds */
    AGENT_SESSIONS_ENDED_MAX = 200, /* ended sessions that are remembered, the oldest goes first */
    AGENT_SPOOL_MAX_BYTES = 10 * 1024 * 1024, /* kept output of a job */
    AGENT_ENDED_OUTPUT_MAX_BYTES = 100 * 1024 * 1024, /* of all ended sessions together: the oldest goes */
    AGENT_SCROLLBACK_MAX_BYTES = 256 * 1024,  /* kept output of a terminal */
    AGENT_LOG_MAX_BYTES = 10 * 1024 * 1024,
    AGENT_INPUT_MAX_BYTES = 1024 * 1024,      /* input that waits for a session to read it */
    AGENT_WINDOW_MAX = 1000,                  /* rows, columns */
    AGENT_WATCHES_MAX = 64,                   /* FILE_WATCH at once */
    AGENT_ENTROPY_BYTES = 64,
};

#endif
