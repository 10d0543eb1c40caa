#include "store/wf_sql_json.h"

#define COMPANIES "wflows.companies c"
#define FILTERED                                                                    \
    "c.deleted_at is null and ($1::uuid is null or c.id = $1::uuid)"                \
    " and ($5::text is null or c.status = $5)"                                      \
    " and ($6::text is null or c.subscription_plan = $6)"

const wf_pg_stmt_t wf_sql_companies[] = {
    WF_SQL_AT(WF_SQL_COMPANY_EXISTS) = {"company_exists",
                                        "select 1 from wflows.companies c"
                                        " where c.id = $1::uuid and c.deleted_at is null",
                                        1},
    WF_SQL_AT(WF_SQL_COMPANY_PAGE_NEWEST) =
        {"company_page_newest",
         WF_SQL_PAGE_NEWEST(COMPANY_JSON, COMPANIES, FILTERED, "c.created_at", "c.id"), 6},
    WF_SQL_AT(WF_SQL_COMPANY_PAGE_OLDEST) =
        {"company_page_oldest",
         WF_SQL_PAGE_OLDEST(COMPANY_JSON, COMPANIES, FILTERED, "c.created_at", "c.id"), 6},
    WF_SQL_AT(WF_SQL_COMPANY_PAGE_SLUG) =
        {"company_page_slug",
         WF_SQL_PAGE_TEXT(COMPANY_JSON, COMPANIES, FILTERED, "c.slug", "c.id"), 6},
};
