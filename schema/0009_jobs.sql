-- Background jobs: when each ran last, on whatever server.
create table wflows.job_runs (
    name text primary key,
    next_at timestamptz not null default now(),
    finished_at timestamptz,
    outcome text,
    done bigint, -- rows it worked on
    constraint job_runs_outcome_check check (outcome in ('ok', 'failed'))
);
grant select on wflows.job_runs to wflows_app;
grant select, insert, update, delete on wflows.job_runs to wflows_platform;

alter table wflows.whatsapp_accounts add column key_rotation_reminded_at timestamptz;
