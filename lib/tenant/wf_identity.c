#include "tenant/wf_identity.h"

#include <string.h>

static const char *const role_names[] = {
    [WF_ROLE_NONE] = "none",         [WF_ROLE_LEITURA] = "leitura",
    [WF_ROLE_OPERADOR] = "operador", [WF_ROLE_GESTOR] = "gestor",
    [WF_ROLE_ADMIN] = "admin",       [WF_ROLE_PLATFORM_ADMIN] = "platform_admin",
};

#define AREA_NAME(id, name) name,
static const char *const area_names[WF_AREA_COUNT] = {WF_SCOPE_AREAS(AREA_NAME)};

const char *wf_role_name(wf_role_t role)
{
    return role_names[role];
}

wf_role_t wf_role_parse(const char *name)
{
    int role;

    for (role = WF_ROLE_LEITURA; name && role <= WF_ROLE_PLATFORM_ADMIN; role++) {
        if (strcmp(name, role_names[role]) == 0) {
            return (wf_role_t)role;
        }
    }
    return WF_ROLE_NONE;
}

wf_scopes_t wf_scope_parse(const char *name)
{
    const char *colon = name ? strchr(name, ':') : NULL;
    size_t verb = colon ? (size_t)(colon - name) : 0;
    unsigned area;

    for (area = 0; colon && area < WF_AREA_COUNT; area++) {
        if (strcmp(colon + 1, area_names[area]) != 0) {
            continue;
        }
        if (verb == 4 && strncmp(name, "read", verb) == 0) {
            return WF_READ(area);
        }
        if (verb == 5 && strncmp(name, "write", verb) == 0) {
            return WF_WRITE(area);
        }
    }
    return 0;
}

const char *wf_scope_name(apr_pool_t *pool, unsigned bit)
{
    return apr_pstrcat(pool, bit % 2 ? "write:" : "read:", area_names[bit / 2], NULL);
}

int wf_identity_may(const wf_identity_t *who, wf_role_t role, wf_scopes_t scopes)
{
    if (who->kind == WF_IDENTITY_KEY) {
        return scopes != 0 && (who->scopes & scopes) == scopes;
    }
    return who->role != WF_ROLE_NONE && who->role >= role;
}

int wf_identity_sees_company(const wf_identity_t *who, const char *company_id)
{
    if (!company_id) {
        return 0;
    }
    if (!who->company_id) {
        return who->role == WF_ROLE_PLATFORM_ADMIN;
    }
    return strcmp(who->company_id, company_id) == 0;
}

int wf_identity_sees_account(const wf_identity_t *who, const char *account_id)
{
    int i;

    if (who->kind != WF_IDENTITY_KEY || !who->account_ids) {
        return 1;
    }
    for (i = 0; account_id && i < who->account_count; i++) {
        if (strcmp(who->account_ids[i], account_id) == 0) {
            return 1;
        }
    }
    return 0;
}
