#include "wfo.h"

#include <string.h>

wf_json_t *wfo_ref(wfo_t *o, const char *kind, const char *name)
{
    wf_json_t *ref = wf_json_object_make(o->pool);

    if (!wf_json_pointer_get(o->doc, apr_pstrcat(o->pool, "/components/", kind, "/", name, NULL))) {
        wfo_fail(o, "there is no %s of components/%s", name, kind);
    }
    wf_json_set_str(ref, "$ref", apr_pstrcat(o->pool, "#/components/", kind, "/", name, NULL));
    return ref;
}

wf_json_t *wfo_type(wfo_t *o, const char *type)
{
    wf_json_t *schema = wf_json_object_make(o->pool);

    wf_json_set_str(schema, "type", type);
    return schema;
}

wf_json_t *wfo_schema(wfo_t *o, const wf_json_t *said)
{
    const char *name = wf_json_str(said);

    return name ? wfo_ref(o, "schemas", name) : wf_json_copy(o->pool, said);
}

wf_json_t *wfo_member(wfo_t *o, wf_json_t *object, const char *name)
{
    wf_json_t *member = wf_json_get(object, name);

    if (!member) {
        member = wf_json_object_make(o->pool);
        wf_json_set(object, name, member);
    }
    return member;
}

/* wfo_lists.inc is made from the headers of lib/store by make: whichever header declares them. */
#define DECLARE_LIST(name) extern const wf_list_t wf_list_##name;
#define L DECLARE_LIST
#include "support/openapi/wfo_lists.inc"
#undef L

#define LIST_ROW(name) {#name, &wf_list_##name},
const wf_list_t *wfo_list(const char *name)
{
    static const struct {
        const char *name;
        const wf_list_t *list;
    } lists[] = {
#define L LIST_ROW
#include "support/openapi/wfo_lists.inc"
#undef L
        {NULL, NULL}};
    int i;

    for (i = 0; lists[i].name; i++) {
        if (strcmp(lists[i].name, name) == 0) {
            return lists[i].list;
        }
    }
    return NULL;
}
