"""How the page follows a session's events when lines break."""

from harness import InspectorTest

# Runs a function of the page's modules and returns its result.
RUN = """
const done = arguments[arguments.length - 1];
(async () => { %s })().then(done, (error) => done(`failed: ${error}`));
"""

BACK_OFF = """
const { BackOff } = await import('/inspector/back-off.js');
let clock = 0;
let random = 1;
const backOff = new BackOff({
  first: 500, longest: 15000, lasting: 5000, now: () => clock, random: () => random });
"""

# Each answer of the server is a greeting, after which the line breaks.
BREAKING = """
const { followEvents } = await import('/inspector/events.js');
const sent = [];
const { fetch } = window;
window.fetch = async (path, options) => {
  if (!path.includes('/events')) return fetch(path, options);
  const { headers } = options;
  sent.push(headers['Last-Event-ID'] ?? null);
  return new Response(`event: session\\nid: 5c2f91-${sent.length}-7\\ndata: {"step":7}\\n\\n`);
};
const waits = [];
await new Promise((resolve) => {
  const leave = followEvents('s', ['output'], {
    event: () => {}, open: () => {}, refused: resolve,
    broken: (error, wait) => {
      waits.push(wait);
      if (waits.length === 4) { leave(); resolve(); }
    },
  });
});
return { sent, waits };
"""


class BrokenLines(InspectorTest):
    def run_module(self, script):
        self.browser.set_script_timeout(60)
        result = self.browser.execute_async_script(RUN % script)
        self.assertFalse(isinstance(result, str) and result.startswith("failed"), result)
        return result

    def setUp(self):
        super().setUp()
        self.open()

    def test_waiting_times_double_up_to_a_limit(self):
        times = self.run_module(BACK_OFF + "return Array.from({ length: 8 }, () => backOff.next());")
        self.assertEqual(times, [500, 1000, 2000, 4000, 8000, 15000, 15000, 15000])

    def test_half_of_a_waiting_time_is_random(self):
        times = self.run_module(
            BACK_OFF + "random = 0; return Array.from({ length: 3 }, () => backOff.next());")
        self.assertEqual(times, [250, 500, 1000])

    def test_short_connections_count_as_failures(self):
        times = self.run_module(BACK_OFF + """
            const times = [];
            for (let round = 0; round < 5; round += 1) {
              backOff.opened();
              clock += 4999;
              times.push(backOff.next());
            }
            return times;""")
        self.assertEqual(times, [500, 1000, 2000, 4000, 8000])

    def test_a_connection_that_lasted_starts_the_times_anew(self):
        times = self.run_module(BACK_OFF + """
            const times = [backOff.next(), backOff.next()];
            backOff.opened();
            clock += 5000;
            times.push(backOff.next(), backOff.next());
            return times;""")
        self.assertEqual(times, [500, 1000, 500, 1000])

    def test_lines_that_break_at_once_are_taken_up_more_and_more_rarely(self):
        result = self.run_module(BREAKING)
        for number, milliseconds in enumerate(result["waits"]):
            self.assertGreaterEqual(milliseconds, 250 * 2**number)
            self.assertLessEqual(milliseconds, 500 * 2**number)
        # Each attempt says where the one before broke off.
        self.assertEqual(
            result["sent"], [None] + [f"5c2f91-{number}-7" for number in range(1, 4)])
