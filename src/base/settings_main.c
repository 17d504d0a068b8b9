/* atoll-settings: prints the settings in force as shell assignments, so that the scripts need no reader of
 * configuration files of their own. Takes the flags of the daemons. */
#include "base/settings.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        settings_print_help(stdout);
        return 0;
    }
    struct settings settings;
    struct error err = {0};
    int rest = 0;
    if (settings_load(argc, argv, &settings, &rest, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 2;
    }
    if (rest < argc) {
        fprintf(stderr, "unexpected argument '%s'\n", argv[rest]);
        return 2;
    }
    settings_print_values(&settings, stdout);
    return 0;
}
