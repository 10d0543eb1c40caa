#include "pg/wf_pg_int.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 64

/* Where `name` stands, or the free place where it would. `size` is never 0 and never full. */
static size_t place_of(char *const *names, size_t size, const char *name)
{
    uint32_t hash = 2166136261u;
    const char *c;
    size_t i;

    for (c = name; *c; c++) {
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    }
    for (i = hash & (size - 1); names[i] && strcmp(names[i], name) != 0; i = (i + 1) & (size - 1)) {
    }
    return i;
}

int wf_pg_names_has(const wf_pg_names_t *names, const char *name)
{
    return names->count > 0 && names->names[place_of(names->names, names->size, name)] != NULL;
}

static int grow(wf_pg_names_t *names)
{
    size_t size = names->size ? names->size * 2 : FIRST_SIZE, i;
    char **wider = calloc(size, sizeof(*wider));

    if (!wider) {
        return 0;
    }
    for (i = 0; i < names->size; i++) {
        if (names->names[i]) {
            wider[place_of(wider, size, names->names[i])] = names->names[i];
        }
    }
    free(names->names);
    names->names = wider;
    names->size = size;
    return 1;
}

int wf_pg_names_add(wf_pg_names_t *names, const char *name)
{
    char *copy;
    size_t i;

    if (names->count * 2 >= names->size && !grow(names)) {
        return 0;
    }
    i = place_of(names->names, names->size, name);
    if (names->names[i]) {
        return 1;
    }
    copy = strdup(name);
    if (!copy) {
        return 0;
    }
    names->names[i] = copy;
    names->count++;
    return 1;
}

void wf_pg_names_clear(wf_pg_names_t *names)
{
    size_t i;

    for (i = 0; i < names->size; i++) {
        free(names->names[i]);
    }
    free(names->names);
    memset(names, 0, sizeof(*names));
}
