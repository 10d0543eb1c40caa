#include "wfa.h"

#include <string.h>

APLOG_USE_MODULE(wflows_admin);

static const char *pointer_to(const wfa_call_t *call, const char *name)
{
    return wf_json_pointer_add(call->r->pool, "", name);
}

void wfa_body_names(wfa_call_t *call, const char *const *names)
{
    for (wf_json_iter_t i = wf_json_iter(call->body); wf_json_next(&i);) {
        const char *const *name = names;

        while (*name && strcmp(*name, i.key) != 0) {
            name++;
        }
        if (!*name) {
            wf_fault_add(call->ctx, pointer_to(call, i.key), "not known");
        }
    }
}

/* NULL: it is not there. */
static const wf_json_t *member(const wfa_call_t *call, const char *name)
{
    const wf_json_t *value = wf_json_get(call->body, name);

    return wf_json_type(value) == WF_JSON_NULL ? NULL : value;
}

int64_t wfa_body_int(wfa_call_t *call, const char *name, int64_t min, int64_t max,
                     int64_t otherwise)
{
    const wf_json_t *value = member(call, name);

    if (!value) {
        return otherwise;
    }
    if (!wf_json_is_int(value) || wf_json_int(value) < min || wf_json_int(value) > max) {
        wf_fault_add(call->ctx, pointer_to(call, name),
                     "a whole number from %" APR_INT64_T_FMT " to %" APR_INT64_T_FMT " expected", min,
                     max);
        return otherwise;
    }
    return wf_json_int(value);
}

int wfa_body_bool(wfa_call_t *call, const char *name, int otherwise)
{
    const wf_json_t *value = member(call, name);

    if (value && wf_json_type(value) != WF_JSON_BOOLEAN) {
        wf_fault_add(call->ctx, pointer_to(call, name), "true or false expected");
        return otherwise;
    }
    return value ? wf_json_bool(value) : otherwise;
}

const char *wfa_body_text(wfa_call_t *call, const char *name, int (*is)(const char *text),
                          const char *expected)
{
    const wf_json_t *value = member(call, name);
    const char *text = wf_json_str(value);

    if (value && (!text || strlen(text) != wf_json_str_len(value) || !is(text))) {
        wf_fault_add(call->ctx, pointer_to(call, name), "%s expected", expected);
        return NULL;
    }
    return text;
}

apr_time_t wfa_body_time(wfa_call_t *call, const char *name)
{
    const wf_json_t *value = member(call, name);
    const char *text = wf_json_str(value);
    apr_time_t t = 0;

    if (value && (!text || !wf_time_parse(&t, text) || t <= 0)) {
        wf_fault_add(call->ctx, pointer_to(call, name),
                     "a date or a time expected, e.g. 2026-03-01T10:20:30Z");
        return 0;
    }
    return t;
}

wf_status_t wfa_body_done(wfa_call_t *call)
{
    return wf_has_faults(call->ctx) ? wf_fail_public(call->ctx, WF_EINVALID, WFLOGNO(3050) "%s",
                                                     wf_faults_text(call->ctx))
                                    : WF_OK;
}
