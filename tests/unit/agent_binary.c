/* The agent's binary as it is put into sandboxes: needs nothing of what is installed there. */
#include "check.h"

#include "base/cleanup.h"

#include <elf.h>
#include <string.h>

static void is_static_and_position_independent(void)
{
    const char *path = getenv("ATOLL_TEST_AGENT");
    auto_fclose FILE *file = path ? fopen(path, "re") : NULL;
    Elf64_Ehdr header;
    REQUIRE(file);
    REQUIRE(fread(&header, sizeof(header), 1, file) == 1);
    CHECK(memcmp(header.e_ident, ELFMAG, SELFMAG) == 0);
    CHECK_INT(header.e_type, ET_DYN);
    REQUIRE(header.e_phentsize == sizeof(Elf64_Phdr));
    REQUIRE(fseek(file, (long)header.e_phoff, SEEK_SET) == 0);
    for (int i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        REQUIRE(fread(&segment, sizeof(segment), 1, file) == 1);
        CHECK(segment.p_type != PT_INTERP);
        if (segment.p_type == PT_GNU_STACK || segment.p_type == PT_LOAD) {
            CHECK((segment.p_flags & (PF_W | PF_X)) != (PF_W | PF_X));
        }
    }
}

static const struct check_case cases[] = {
    {"is static and position-independent", is_static_and_position_independent},
};
CHECK_MAIN(cases)
