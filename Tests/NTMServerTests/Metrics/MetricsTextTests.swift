import Testing

@testable import NTMServer

struct MetricsTextTests {
  @Test func labelsAreEscaped() {
    var text = MetricsText()
    text.family("f", .gauge, "Help.")
    text.sample("f", ["name": "a\"b\\c\nd e\u{301}"], value: 1)
    text.sample("f", value: 0.25)
    #expect(
      text.text == "# HELP f Help.\n# TYPE f gauge\n"
        + #"f{name="a\"b\\c\nd e"# + "\u{301}" + #""} 1"# + "\nf 0.25\n")
  }

  @Test func aHistogramAddsUpItsClasses() throws {
    let histogram = Histogram(bounds: [1000, 2000], series: 2)
    for nanoseconds: UInt64 in [1, 1000, 1001, 2001, 1_000_000_000] {
      histogram.observe(nanoseconds, series: 1)
    }
    var text = MetricsText()
    text.histogram("h", ("s", "x"), histogram, series: 1)
    let metrics = try Metrics(text.text)
    #expect(metrics[#"h_bucket{s="x",le="1e-06"}"#] == 2)
    #expect(metrics[#"h_bucket{s="x",le="2e-06"}"#] == 3)
    #expect(metrics[#"h_bucket{s="x",le="+Inf"}"#] == 5)
    #expect(metrics[#"h_count{s="x"}"#] == 5)
    #expect(metrics[#"h_sum{s="x"}"#] == 1.000004003)
    #expect(histogram.reading(series: 0).count == 0)
  }

  @Test func boundsAreRound() {
    #expect(
      Histogram.bounds(from: 20_000, to: 1_000_000)
        == [20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000])
  }
}

struct CounterConcurrencyTests {
  @Test func nothingIsLostBetweenThreads() throws {
    let cells = CounterCells(count: 3)
    let numbers = try onThreads(8) { _ in
      (0..<1000).map { _ in
        cells.add(2, to: 1)
        return cells.takeNumber(2)
      }
    }
    #expect(cells.total(0) == 0)
    #expect(cells.total(1) == 16_000)
    #expect(Set(numbers.joined()).count == 8000)
  }
}
