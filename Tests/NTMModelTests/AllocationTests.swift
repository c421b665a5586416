#if os(Linux) && arch(x86_64)
  import Glibc
  import Testing

  @testable import NTMModel

  /// Steps keep nothing: a thousand of them leave the C library's allocator as it was. Measured in
  /// a process of its own, because other tests allocate meanwhile. What that process does beside
  /// the steps may take some bytes; a step that kept anything would take at least 24 each.
  ///
  /// This sees what is not given back, whoever allocated it (Swift, OpenBLAS, C); it does not see
  /// what is freed within the step.
  struct AllocationTests {
    @Test func stepsKeepNoMemory() async {
      await #expect(processExitsWith: .success) { try AllocationTests.measureSteps() }
    }

    static func measureSteps() throws {
      let atFirst = heapBytes()
      let kept = UnsafeMutablePointer<Float>.allocate(capacity: 1000)
      #expect(heapBytes() >= atFirst + 4000, "the measure sees no allocations")
      kept.deallocate()
      for seed in UInt64(0)..<12 {
        let test = try StepTests.Case(seed: seed)
        var state = try test.model.makeState()
        var workspace = try test.model.makeWorkspace()
        let input = test.inputs[0]
        step(10, test.model, input, &state, &workspace)
        let before = heapBytes()
        step(1000, test.model, input, &state, &workspace)
        let after = heapBytes()
        #expect(after - before < 10_000, "\(after - before) bytes: \(test.model.configuration)")
      }
    }

    private static func step(
      _ count: Int, _ model: Model, _ input: [Float], _ state: inout State,
      _ workspace: inout Workspace
    ) {
      // A refused step keeps nothing either.
      for _ in 0..<count { try? model.step(input.span, state: &state, workspace: &workspace) }
    }
  }

  /// Bytes that the C library's allocator has handed out: `mallinfo2().uordblks` and `hblkhd`.
  ///
  /// Glibc's module leaves malloc.h out, so the function is called by its address, its result's
  /// place passed as x86-64 has it.
  private func heapBytes() -> Int {
    typealias Information = @convention(c) (UnsafeMutablePointer<Int>) -> UnsafeMutableRawPointer
    let mallinfo2 = unsafeBitCast(dlsym(nil, "mallinfo2")!, to: Information.self)
    return withUnsafeTemporaryAllocation(of: Int.self, capacity: 10) { fields in
      _ = mallinfo2(fields.baseAddress!)
      let (hblkhd, uordblks) = (fields[4], fields[7])
      return hblkhd + uordblks
    }
  }
#endif
