#!/usr/bin/perl
# docs/TUTORIAL.md is true: its blocks, in their order, in one shell, against an empty database.

use strict;
use warnings;
use lib 't/lib';

use File::Temp ();
use Test::More;
use Wflows::Process qw(read_file run write_file);
use Wflows::Receiver;
use Wflows::Test qw(errlog_ok need start_stack);

need('pg', 'redis', 'httpd', 'jq');

my $src = $ENV{WF_SRCDIR} // '.';
my $stack = start_stack(server_directives => "WflowsFlowCallbackAllow 127.0.0.1/32\n");
my $receiver = Wflows::Receiver->start(dir => $stack->{dir});
$stack->httpd->stop;
$stack->dbh->do('set client_min_messages = warning; drop schema wflows cascade'); # nothing is left but the roles
$stack->redis->client->flushall;
$stack->httpd->start;

my @blocks = read_file("$src/docs/TUTORIAL.md") =~ /^```sh\n(.*?)^```$/msg;
cmp_ok(scalar @blocks, '>=', 15, 'the tutorial has ' . @blocks . ' blocks');
my $work = File::Temp->newdir('wflows-tutorial-XXXXXX', TMPDIR => 1);
my $script = "set -euo pipefail\n" . join('', map { "echo '=== block $_'\n$blocks[$_ - 1]" } 1 .. @blocks) . "echo '=== end'\n";
write_file("$work/tutorial.sh", $script);
my $ran = run(command => ['bash', "$work/tutorial.sh"], cwd => $src, timeout => 120, env => {
    BASE => $stack->httpd->url, CALLBACK_URL => $receiver->url('/ok'), WORK => "$work", PATH => "$stack->{build}:$ENV{PATH}",
    WFLOWSCTL_CONFIG => "$stack->{dir}/ctl.conf", WFLOWS_SCHEMA => "$src/schema" });
my ($last) = reverse $ran->{out} =~ /^=== (.*)$/mg;
is($last, 'end', 'all of them work, from an empty database') or diag("$ran->{out}\n$ran->{err}");
is($ran->{rc}, 0, 'the last one, too');
my $number = 0;
my %said = map { ++$number => $_ } map { my $t = $_; $t =~ s/^.*\n//; $t } ($ran->{out} =~ /^(=== block \d+\n.*?)(?==== )/msg);
my $all = join('', map { $said{$_} } sort { $a <=> $b } keys %said);
like($all, qr/"role":"admin","company_slug":"tutorial"/, 'Ana is the administrator');
like($all, qr/"has_app_secret":true,"has_callback_secret":true,"app_secret":null/, 'secrets are shown as there');
like($all, qr{^/colour  not known$}m, 'mistakes are named');
like($all, qr/SUCCESS/, 'the walk ends with SUCCESS');
like($all, qr/"status":"completed"/, 'as its session says');
like($all, qr/"event_type":"flow_completed","status":"done","attempts":1,"code":200/, 'the callback is delivered');
like($all, qr/company\.created|flow\.created|api_key\.created/, 'the audit log tells of it');
ok($receiver->wait_for('/ok', 2), 'the receiver has had it, and had it again');

# Until the tables are there, their absence is told.
errlog_ok($stack, ignore => [qr{WF0060: .* (?:42P01|42883|3F000) }]);
done_testing();
