/* atoll: command line client of the HTTP API. */
#include "cli/arguments.h"
#include "cli/create_options.h"
#include "cli/publish.h"
#include "cli/snapshot.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define END_OF_OPTIONS                                                                             \
    {                                                                                              \
        0, NULL, NULL, NULL                                                                        \
    }

const struct option_spec common_options[] = {
    {0, "json", NULL, "print the reply of the API as JSON; errors, too"},
    {'h', "help", NULL, "show this help"},
    END_OF_OPTIONS,
};

#define COMMAND_OPTION_ROWS                                                                        \
    {'w', "cwd", "DIR", "directory to run in"},                                                    \
        {'u', "user", "USER", "user to run as, such as sandbox (default root)"},                   \
        {'t', "timeout", "TIME", "kill the command and all it started after 90, 90s, 15m, 2h"},    \
    {                                                                                              \
        'n', "no-stdin", NULL, "do not forward standard input"                                     \
    }

static const struct option_spec create_options[] = {
    CREATE_OPTION_ROWS,
    {'t', "timeout", "TIME", "pause (or destroy) it after 90, 90s, 15m, 2h, 1d"},
    {0, "idle-timeout", "TIME", "the same, counted from its last use"},
    {0, "ephemeral", NULL, "destroy it at its timeout instead of pausing it"},
    {0, "auto-resume", NULL, "resume it when a command, file or page of it is asked for"},
    {0, "auto-start", NULL, "start the template's app at once"},
    {0, "snapshot", "ID", "start from a snapshot, see 'atoll snapshot'"},
    {0, "files-only", NULL, "with --snapshot: leave the memory that it has alone"},
    {0, "metadata", "KEY=VALUE", "note to keep with it (repeatable)"},
    {0, "tag", "TAG", "tag (repeatable)"},
    END_OF_OPTIONS,
};

static const struct option_spec run_options[] = {
    CREATE_OPTION_ROWS,
    COMMAND_OPTION_ROWS,
    {'d', "detach", NULL, "start it as a job of a kept sandbox, print both ids and return"},
    {'k', "keep", NULL, "keep the sandbox afterwards"},
    END_OF_OPTIONS,
};

static const struct option_spec exec_options[] = {
    {'e', "env", "KEY=VALUE", "environment variable (repeatable)"},
    {'d', "detach", NULL, "start it as a job, print the job's id and return"},
    {0, "name", "NAME", "with --detach: name to refer to the job by"},
    COMMAND_OPTION_ROWS,
    END_OF_OPTIONS,
};

static const struct option_spec ps_options[] = {
    {'a', "all", NULL, "list ended jobs, too"},
    END_OF_OPTIONS,
};

static const struct option_spec events_options[] = {
    {'t', "types", "LIST", "only these types: comma-separated, * at the end stands for the rest"},
    {0, "since-start", NULL, "begin at the oldest event that is kept, not now"},
    END_OF_OPTIONS,
};

static const struct option_spec logs_options[] = {
    {'f', "follow", NULL, "go on until the job ends"},
    {'n', "lines", "COUNT", "begin with the last lines only (default 1000)"},
    END_OF_OPTIONS,
};

static const struct option_spec kill_options[] = {
    {'s', "signal", "SIGNAL", "only send this signal, such as HUP or 9"},
    END_OF_OPTIONS,
};

static const struct option_spec service_options[] = {
    {'e', "env", "KEY=VALUE", "environment variable of the added one (repeatable)"},
    {'w', "cwd", "DIR", "directory to run it in"},
    {'u', "user", "USER", "user to run it as, such as sandbox (default root)"},
    END_OF_OPTIONS,
};

static const struct option_spec shell_options[] = {
    {'e', "env", "KEY=VALUE", "environment variable (repeatable)"},
    {'w', "cwd", "DIR", "directory to begin in"},
    {'u', "user", "USER", "user to run it as, such as sandbox (default root)"},
    {0, "session", "ID", "look at a terminal that is open already"},
    END_OF_OPTIONS,
};

static const struct option_spec copy_options[] = {
    {'r', "recursive", NULL, "copy directories whole"},
    END_OF_OPTIONS,
};

static const struct option_spec list_options[] = {
    {'q', "quiet", NULL, "print ids only"},
    {0, "names", NULL, "print names and ids only"},
    {0, "state", "STATE", "only those in a state, such as running or paused"},
    {0, "engine", "KIND", "only those of an engine: container or vm"},
    {0, "search", "TEXT", "only those with the text in name, id or slug"},
    END_OF_OPTIONS,
};

static const struct option_spec templates_options[] = {
    {'a', "all", NULL, "list aliases, too"},
    END_OF_OPTIONS,
};

static const struct option_spec template_options[] = {
    {'n', "target", "COUNT", "keep so many sandboxes of the shape ready; 0: none"},
    SHAPE_OPTION_ROWS,
    END_OF_OPTIONS,
};

const struct command command_table[] = {
    {"create", "", "make a sandbox and print its id",
     "Examples:\n"
     "  atoll create --name web\n"
     "  id=$(atoll create --memory 2048 --timeout 1h -e TOKEN=abc)\n",
     create_options, 0, 0, 0, OPERAND_NONE, NULL, command_create},
    {"run", "COMMAND [ARGUMENT...]", "run a command in a new sandbox, then remove it",
     "One word is a command line for the sandbox's shell; several are a program and its\n"
     "arguments. Options go before the command. Output streams, standard input and signals are\n"
     "forwarded, and the command's exit code is returned, as with exec. The sandbox is removed\n"
     "afterwards unless --keep is given. With --json, output is captured and printed at the end.\n"
     "\nExamples:\n"
     "  atoll run 'python3 -c \"print(6 * 7)\"'\n"
     "  atoll run --network none -- make test\n"
     "  echo 'print(1)' | atoll run python3 -\n",
     run_options, 1, -1, 1, OPERAND_NONE, NULL, command_run},
    {"exec", "SANDBOX COMMAND [ARGUMENT...]", "run a command in a sandbox",
     "One word is a command line for the sandbox's shell; several are a program and its\n"
     "arguments. Output appears as it is written. Standard input is forwarded (not with -n).\n"
     "Ctrl-C and SIGTERM, SIGHUP, SIGQUIT go to the command; the third Ctrl-C gives it up. The\n"
     "command's own exit code is returned; 124 when --timeout ended it, 128 + n when signal n "
     "did. A detached one goes on by itself: see 'atoll logs'.\n"
     "\nExamples:\n"
     "  atoll exec web 'ls -la | wc -l'\n"
     "  atoll exec -d --name dev web npm run dev\n"
     "  atoll exec web -w /workspace -u sandbox -- npm test\n"
     "  tar c src | atoll exec web -- tar x -C /workspace\n",
     exec_options, 2, -1, 2, OPERAND_SANDBOX, NULL, command_exec},
    {"ps", "SANDBOX", "list the jobs of a sandbox",
     "Jobs are detached commands and services. On a terminal a table; otherwise tab-separated\n"
     "lines without a heading.\n"
     "\nExample:\n  atoll ps -a web\n",
     ps_options, 1, 1, 0, OPERAND_SANDBOX, NULL, command_ps},
    {"events", "[SANDBOX]", "follow what happens to a sandbox, or to all of them",
     "Goes on until the sandbox is destroyed, through restarts of the service, without missing or\n"
     "repeating what is kept. With --json each event is one line.\n"
     "\nExamples:\n"
     "  atoll events web\n"
     "  atoll events --types 'sandbox.exec.*' --json web\n"
     "  atoll events --since-start\n",
     events_options, 0, 1, 0, OPERAND_SANDBOX, NULL, command_events},
    {"logs", "SANDBOX [JOB]", "print what a job writes",
     "JOB is an id, a process id or a name; without one it is the latest job. Standard error goes\n"
     "to standard error. With -f a server that restarts is waited for, up to a minute.\n"
     "\nExamples:\n"
     "  atoll logs -n 20 web dev\n"
     "  atoll logs -f web job_01k…\n",
     logs_options, 1, 2, 0, OPERAND_SANDBOX, NULL, command_logs},
    {"kill", "SANDBOX JOB...", "stop jobs",
     "SIGTERM to all that a job has started, after five seconds SIGKILL. With -s only that "
     "signal.\n"
     "\nExamples:\n"
     "  atoll kill web dev\n"
     "  atoll kill -s HUP web 41\n",
     kill_options, 2, -1, 0, OPERAND_SANDBOX, NULL, command_kill},
    {"service", "ls | add | start | stop | restart | rm | logs SANDBOX [NAME [COMMAND...]]",
     "manage services: jobs that are started again",
     "A service is started again when it fails, and when its sandbox comes back. One word is a\n"
     "command line for the sandbox's shell; several are a program and its arguments.\n"
     "\nExamples:\n"
     "  atoll service add web api 'node server.js'\n"
     "  atoll service add -w /workspace web worker -- python3 worker.py\n"
     "  atoll service ls web\n"
     "  atoll service restart web api\n",
     service_options, 2, -1, 4, OPERAND_WORD, "ls add start stop restart rm logs", command_service},
    {"shell", "SANDBOX [COMMAND [ARGUMENT...]]", "open a terminal in a sandbox",
     "Without a command it is a login shell. Its exit code is returned. A lost connection is made\n"
     "again for up to a minute, as long as the terminal lives without anybody; what it has "
     "printed\n"
     "is then printed anew. At the beginning of a line ~. ends the terminal and ~~ is one tilde.\n"
     "Works in pipes, too: the end of standard input is Ctrl-D.\n"
     "\nExamples:\n"
     "  atoll shell web\n"
     "  atoll shell -w /workspace web vim app.py\n"
     "  echo 'ls; exit' | atoll shell web\n",
     shell_options, 1, -1, 2, OPERAND_SANDBOX, NULL, command_shell},
    {"tunnel", "SANDBOX LOCAL:REMOTE", "reach a port inside a sandbox from here",
     "Listens on 127.0.0.1:LOCAL (0: any free port) and carries each connection to REMOTE on the\n"
     "sandbox's own 127.0.0.1, or ::1. One number is both. Runs until Ctrl-C.\n"
     "\nExample:\n  atoll tunnel web 8080:3000\n",
     NULL, 2, 2, 0, OPERAND_SANDBOX, NULL, command_tunnel},
    {"port-forward", "SANDBOX LOCAL:REMOTE", "the same as tunnel", "See 'atoll tunnel --help'.\n",
     NULL, 2, 2, 0, OPERAND_SANDBOX, NULL, command_tunnel},
    {"cp", "SOURCE... TARGET", "copy files into or out of a sandbox",
     "One end is SANDBOX:/path, the other is here; - is standard input or output. Permission bits\n"
     "are kept; symbolic links inside directories are left out.\n"
     "\nExamples:\n"
     "  atoll cp app.py web:/workspace/\n"
     "  atoll cp -r web:/workspace/dist ./dist\n"
     "  atoll cp web:/workspace/log.txt - | tail\n",
     copy_options, 2, -1, 0, OPERAND_FILE, NULL, command_copy},
    {"ls", "", "list sandboxes",
     "On a terminal a table; otherwise tab-separated lines without a heading.\n"
     "\nExamples:\n"
     "  atoll ls --state running\n"
     "  atoll rm $(atoll ls -q --search test-)\n",
     list_options, 0, 0, 0, OPERAND_NONE, NULL, command_list},
    {"get", "SANDBOX", "show a sandbox",
     "Examples:\n  atoll get web\n  atoll get web --json | jq -r .state\n", NULL, 1, 1, 0,
     OPERAND_SANDBOX, NULL, command_get},
    {"inspect", "SANDBOX", "show a sandbox as JSON", "Same as 'atoll get --json'.\n", NULL, 1, 1, 0,
     OPERAND_SANDBOX, NULL, command_get},
    {"pause", "SANDBOX...", "freeze sandboxes; their files are kept",
     "Example:\n  atoll pause web\n", NULL, 1, -1, 0, OPERAND_SANDBOX, NULL, command_pause},
    {"resume", "SANDBOX...", "let paused sandboxes go on", "Example:\n  atoll resume web\n", NULL,
     1, -1, 0, OPERAND_SANDBOX, NULL, command_resume},
    {"stop", "SANDBOX...", "pause persistent sandboxes, destroy others",
     "Example:\n  atoll stop web\n", NULL, 1, -1, 0, OPERAND_SANDBOX, NULL, command_stop},
    {"extend", "SANDBOX [TIME]", "start its timeout anew, optionally with another length",
     "TIME is 90, 90s, 15m, 2h or 1d.\n\nExample:\n  atoll extend web 2h\n", NULL, 1, 2, 0,
     OPERAND_SANDBOX, NULL, command_extend},
    {"snapshot",
     "create SANDBOX | ls [SANDBOX] | rm ID... | restore SANDBOX ID | tree ID [PATH] | "
     "get ID PATH [FILE] | name NAME ID|SANDBOX | names | unname NAME...",
     "save the files of sandboxes, and go back to them",
     "create prints the snapshot's id; the sandbox runs on. restore ends the sandbox's processes "
     "and\n"
     "starts it on the files of then. A snapshot stays when its sandbox is removed.\n"
     "tree and get look into one: get prints a file, or a folder as a .tar. name keeps a snapshot "
     "(or one\n"
     "taken now of a sandbox) from being deleted, under a name that can be used for its id; unname "
     "says what\n"
     "became of it: released, deleted or kept.\n"
     "\nExamples:\n"
     "  id=$(atoll snapshot create web --comment 'before the upgrade')\n"
     "  atoll snapshot restore web $id\n"
     "  atoll create --snapshot $id\n"
     "  atoll snapshot get $id /workspace/app app.tar\n"
     "  atoll snapshot name base $id && atoll create --snapshot base\n",
     snapshot_options, 1, -1, 0, OPERAND_WORD, "create ls rm restore tree get name names unname",
     command_snapshot},
    {"fork", "SANDBOX", "make another sandbox with the same files and print its id",
     "The sandbox runs on. The new one has an id, a name and URLs of its own.\n"
     "\nExamples:\n"
     "  atoll fork web --name experiment\n"
     "  atoll fork web --snapshot snp_01k…\n",
     fork_options, 1, 1, 0, OPERAND_SANDBOX, NULL, command_fork},
    {"rm", "SANDBOX...", "destroy sandboxes and their files", "Example:\n  atoll rm web sbx_01k…\n",
     NULL, 1, -1, 0, OPERAND_SANDBOX, NULL, command_remove},
    {"app", "start | stop | status | artifacts SANDBOX", "run the server that a sandbox exists for",
     "start runs the template's install command (with --install) and start command, waits until "
     "the\n"
     "app answers, exposes its port and prints its URL.\n"
     "\nExamples:\n"
     "  atoll app start web --install\n"
     "  atoll app start web --command 'node server.js' --port 4000\n"
     "  atoll app status web\n",
     app_options, 2, 2, 0, OPERAND_WORD, "start stop status artifacts", command_app},
    {"expose", "SANDBOX [PORT]", "give a port of a sandbox a public URL and print it",
     "Without PORT it is the app's or the template's.\n\nExample:\n  atoll expose web 3000\n", NULL,
     1, 2, 0, OPERAND_SANDBOX, NULL, command_expose},
    {"preview", "ls SANDBOX | create SANDBOX PORT | share SANDBOX ID | rm SANDBOX ID",
     "manage URLs of a sandbox's ports",
     "A preview is private unless --public is given: create and share print a URL with a token.\n"
     "\nExamples:\n"
     "  atoll preview create web 3000\n"
     "  atoll preview share web prv_01k… --ttl 1h\n",
     preview_options, 2, 3, 0, OPERAND_WORD, "ls create share rm", command_preview},
    {"deploy", "SANDBOX NAME", "give a sandbox's app a lasting URL and print it",
     "The sandbox's timers end, and requests wake it when it is paused.\n"
     "\nExample:\n  atoll deploy web shop --domain shop.example.org\n",
     deploy_options, 2, 2, 0, OPERAND_SANDBOX, NULL, command_deploy},
    {"deployments", "ls | get ID | rm ID", "manage deployments",
     "rm keeps the sandbox.\n\nExample:\n  atoll deployments ls\n", NULL, 1, 2, 0, OPERAND_WORD,
     "ls get rm", command_deployments},
    {"domain", "ls | add HOSTNAME | verify HOSTNAME | assign HOSTNAME | rm HOSTNAME",
     "manage host names of your own",
     "add prints what proves that the name is yours; verify looks for it.\n"
     "\nExamples:\n"
     "  atoll domain add shop.example.org --deployment dep_01k…\n"
     "  atoll domain verify shop.example.org\n",
     domain_options, 1, 2, 0, OPERAND_WORD, "ls add verify assign rm", command_domain},
    {"templates", "", "list what sandboxes can be made from",
     "Example:\n  atoll create --template python\n", templates_options, 0, 0, 0, OPERAND_NONE, NULL,
     command_templates},
    {"template", "warm-pool ID", "show and set what is kept ready of a template (operators)",
     "Without --target it shows the pools. A create that asks for exactly that shape gets a "
     "sandbox\nthat runs already. The key needs the scope operator.\n"
     "\nExample:\n  atoll template warm-pool python --target 4 --size small\n",
     template_options, 2, 2, 0, OPERAND_WORD, "warm-pool", command_template},
    {"engines", "", "list what can run sandboxes here, and why not",
     "Example:\n  atoll create --engine vm\n", NULL, 0, 0, 0, OPERAND_NONE, NULL, command_engines},
    {"key", "create [NAME] | ls | rm ID", "manage API keys",
     "create prints the new key, once.\n"
     "\nExamples:\n"
     "  export ATOLL_API_KEY=$(atoll key create laptop)\n"
     "  atoll key ls\n",
     NULL, 1, 2, 0, OPERAND_WORD, "create ls rm", command_key},
    {"health", "", "ask whether the server is well", "Exit code 4 when it cannot be reached.\n",
     NULL, 0, 0, 0, OPERAND_NONE, NULL, command_health},
    {"url", "", "print the server's URL", "Example:\n  curl $(atoll url)/api/v1/openapi.json\n",
     NULL, 0, 0, 0, OPERAND_NONE, NULL, command_url},
    {"completion", "bash | zsh | fish", "print a completion script for a shell",
     "Examples:\n"
     "  source <(atoll completion bash)\n"
     "  atoll completion fish > ~/.config/fish/completions/atoll.fish\n",
     NULL, 1, 1, 0, OPERAND_WORD, "bash zsh fish", command_completion},
    {0},
};

static void print_options(FILE *out, const struct option_spec *options)
{
    for (; options && options->name; options++) {
        char text[64];
        snprintf(text, sizeof text, "--%s%s%s", options->name, options->value ? " " : "",
                 options->value ? options->value : "");
        if (options->letter) {
            fprintf(out, "  -%c, %-22s %s\n", options->letter, text, options->help);
        } else {
            fprintf(out, "      %-22s %s\n", text, options->help);
        }
    }
}

static int print_command_help(const struct command *command)
{
    printf("Usage: atoll %s [OPTIONS] %s\n\n%c%s.\n\nOptions:\n", command->name, command->operands,
           command->summary[0] - 'a' + 'A', command->summary + 1);
    print_options(stdout, command->options);
    print_options(stdout, common_options);
    printf("\n%s", command->details);
    return EXIT_OK;
}

static void print_help(FILE *out)
{
    fprintf(out, "Usage: atoll COMMAND [OPTIONS] [ARGUMENTS]\n\n"
                 "Sandboxes for AI agents, on machines of your own.\n\nCommands:\n");
    for (const struct command *command = command_table; command->name; command++) {
        fprintf(out, "  %-12s %s\n", command->name, command->summary);
    }
    fprintf(
        out,
        "\n'atoll COMMAND --help' shows a command's options and examples. Sandboxes are named by\n"
        "id or by name. --json makes every command print the reply of the API.\n"
        "\nServer and key are taken from ATOLL_URL and ATOLL_API_KEY, else from the file named by\n"
        "ATOLL_CLIENT_ENV (default /var/lib/atoll/client.env, written by scripts/up).\n"
        "\nExit codes: 0 done, 1 the API refused or failed, 2 wrong usage, 3 not found, 4 the\n"
        "server cannot be reached, 124 a command ran out of time, 128 + n ended by signal n (130:\n"
        "Ctrl-C). exec and run otherwise return the command's own exit code.\n");
}

static const struct command *find_command(const char *name)
{
    for (const struct command *command = command_table; command->name; command++) {
        if (strcmp(command->name, name) == 0) {
            return command;
        }
    }
    return NULL;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct arguments arguments;
    int code = arguments_parse(command, argc, argv, &arguments);
    if (code != EXIT_OK) {
        return code;
    }
    if (arguments_has(&arguments, "help")) {
        return print_command_help(command);
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
        fputs("atoll: the HTTP client cannot be initialised\n", stderr);
        return EXIT_API_ERROR;
    }
    code = command->run(command, &arguments);
    curl_global_cleanup();
    return code;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    bool help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
                strcmp(argv[1], "help") == 0;
    if (help && argc < 3) {
        print_help(stdout);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("atoll " ATOLL_VERSION);
        return EXIT_OK;
    }
    const struct command *command = find_command(argv[help ? 2 : 1]);
    if (!command) {
        fprintf(stderr, "atoll: unknown command '%s'\nhint: see 'atoll --help'\n",
                argv[help ? 2 : 1]);
        return EXIT_USAGE;
    }
    return help ? print_command_help(command) : run_command(command, argc - 1, argv + 1);
}
