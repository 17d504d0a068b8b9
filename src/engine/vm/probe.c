#include "engine/vm/internal.h"

#include <string.h>

void probe_start(struct engine *engine)
{
    facts_set_accel(engine, strcmp(engine->context.settings->vm_accel, "kvm") == 0);
}

void probe_stop(struct engine *engine)
{
    (void)engine;
}
