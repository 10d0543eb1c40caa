/* What the files of the companies' store share. Internal to lib/store. */
#ifndef WF_COMPANY_INT_H
#define WF_COMPANY_INT_H

#include "store/wf_manage_store.h"
#include "store/wf_store_int.h"

/* What a caller may set of a company (wf_company_fields.c). */
#define WF_COMPANY_FIELDS 14
extern const wf_field_t wf_company_fields[WF_COMPANY_FIELDS];

/* What is wrong with settings that stand at the JSON Pointer `at`. */
void wf_settings_faults(wf_ctx_t *ctx, const char *at, const wf_json_t *value);
/* wf_fields_check with the settings in it. */
wf_status_t wf_company_check_fields(wf_ctx_t *ctx, const wf_json_t *members, int making) WF_MUST_CHECK;

#endif
