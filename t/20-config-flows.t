#!/usr/bin/perl
# `httpd -t` and mod_wflows_flows: its directives, and that it does not start without mod_wflows_tenant.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Wflows::Config qw(bad config_dir config_modules configtest good);
use Wflows::Test qw(need);

need('httpd');

config_modules(qw(wflows_tenant wflows_flows));
my $dir = config_dir();

good('the modules may be loaded in this order', '', qw(wflows_tenant wflows_flows));
good('and in that one', '', qw(wflows_flows wflows_tenant));
good('mod_wflows_tenant needs nobody', '', 'wflows_tenant');
bad('mod_wflows_flows says which module it needs, and how to load it', '',
    'WF2000: mod_wflows_flows needs mod_wflows_tenant: add LoadModule wflows_tenant_module mod_wflows_tenant.so', 'wflows_flows');

bad('a body has an upper bound', 'WflowsFlowBodyMax 65M',
    "WflowsFlowBodyMax: '65M' is not allowed, use 1024 to 67108864 (e.g. WflowsFlowBodyMax 10M)");
bad('and a lower one', 'WflowsFlowBodyMax 1023',
    "WflowsFlowBodyMax: '1023' is not allowed, use 1024 to 67108864 (e.g. WflowsFlowBodyMax 10M)");
bad('a size is digits with K or M', 'WflowsFlowBodyMax 1G',
    "WflowsFlowBodyMax: '1G' is not allowed, use 1024 to 67108864 (e.g. WflowsFlowBodyMax 10M)");
bad('M alone is no size', 'WflowsFlowBodyMax M',
    "WflowsFlowBodyMax: 'M' is not allowed, use 1024 to 67108864 (e.g. WflowsFlowBodyMax 10M)");
good('a size may have a unit', 'WflowsFlowBodyMax 512K');
good('a location may have its own', "<Location /company/acme/>\nWflowsFlowBodyMax 1M\nWflowsFlowTimeout 2500ms\n</Location>");
bad('Meta waits for 10 s, so nobody may take longer', 'WflowsFlowTimeout 11s',
    "WflowsFlowTimeout: '11s' is not allowed, use 100ms to 10s (e.g. WflowsFlowTimeout 8s)");
bad('a repeat window has an upper bound', 'WflowsFlowRepeatWindow 2h',
    "WflowsFlowRepeatWindow: '2h' is not allowed, use 0s to 1h (e.g. WflowsFlowRepeatWindow 60s)");
good('networks may be allowed, several at once', 'WflowsFlowCallbackAllow 10.0.0.0/8 192.168.7.0/24 fd00::/8');
{
    my $r = configtest('WflowsFlowCallbackAllow 10.0.0.0/33');
    ok($r->{rc} == 1 && $r->{err} =~ /^WflowsFlowCallbackAllow: '10\.0\.0\.0\/33': \S/m, 'a bad CIDR is named') or diag($r->{err});
}
bad('an overdue payment is not overlooked for ever', 'WflowsFlowBillingGrace 2161h',
    "WflowsFlowBillingGrace: '2161h' is not allowed, use 0s to 2160h (e.g. WflowsFlowBillingGrace 168h)");
good('a secret of Stripe\'s may come from a program, which a check does not run', 'WflowsFlowStripeSecret "exec:/no/such/program"');
{
    my $r = configtest('WflowsFlowStripeSecret whsec_in_the_configuration');
    ok($r->{rc} == 1 && $r->{err} =~ /^WflowsFlowStripeSecret: /m && $r->{err} !~ /whsec_in/, 'a secret never stands in the configuration, and is not repeated')
        or diag($r->{err});
    $r = configtest("WflowsFlowStripeSecret file:$dir/none");
    ok($r->{rc} == 1 && $r->{err} =~ /^WF2140: WflowsFlowStripeSecret \(\S+:\d+\): \S/m, 'a secret that cannot be read is named with its line') or diag($r->{err});
}
mkdir "$dir/media", 0700;
good('files of users have a folder, hosts and the Graph API', "WflowsFlowMediaDir $dir/media\nWflowsFlowMediaHost .whatsapp.net https://cdn.example:8443\nWflowsFlowGraphURL https://graph.facebook.com/v24.0");
bad('the folder has to be there', "WflowsFlowMediaDir $dir/none", "WF2160: WflowsFlowMediaDir $dir/none: No such file or directory");
chmod 0777, "$dir/media";
bad('and nobody else may write there', "WflowsFlowMediaDir $dir/media",
    "WF2161: WflowsFlowMediaDir $dir/media: others may write there; chmod 0700 it and give it to httpd's user");
bad('a host is an end with its dot', 'WflowsFlowMediaHost whatsapp.net',
    "WflowsFlowMediaHost: 'whatsapp.net': use the end of a host name, in lower case, with its dot in front (e.g. .whatsapp.net), or an origin");
bad('access tokens are not sent in clear', 'WflowsFlowGraphURL http://graph.example/v23.0',
    'WF2162: WflowsFlowGraphURL http://graph.example/v23.0: use https, or name its origin in WflowsFlowMediaHost too');
good('but to a test set-up', "WflowsFlowMediaHost http://127.0.0.1:8080\nWflowsFlowGraphURL http://127.0.0.1:8080/v23.0");
bad('the Graph API\'s URL is a prefix', 'WflowsFlowGraphURL https://graph.facebook.com/v23.0/',
    "WflowsFlowGraphURL: 'https://graph.facebook.com/v23.0/': use no query and no slash at the end (e.g. WflowsFlowGraphURL https://graph.facebook.com/v23.0)");
for my $line ('WflowsFlowMediaDir /tmp', 'WflowsFlowMediaHost .example.org', 'WflowsFlowGraphURL https://graph.facebook.com/v23.0', 'WflowsFlowStripeSecret env:HOME', 'WflowsFlowBillingGrace 1h', 'WflowsFlowRepeatWindow 60s', 'WflowsFlowCallbackAllow 10.0.0.0/8') {
    my ($name) = $line =~ /^(\w+)/;
    bad("$name is refused in a virtual host", "<VirtualHost *>\nServerName a.example\n$line\n</VirtualHost>",
        "$name: not in <VirtualHost>, it is for the whole process; move it to the main server configuration");
}

done_testing();
