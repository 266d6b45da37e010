import bitronix.tm.BitronixTransactionManager;
import bitronix.tm.Configuration;
import bitronix.tm.TransactionManagerServices;
import bitronix.tm.resource.ehcache.EhCacheXAResourceProducer;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import javax.transaction.xa.XAException;
import javax.transaction.xa.XAResource;
import javax.transaction.xa.Xid;

/**
 * Row T2 for Bitronix: threads in closed loop, each commits transactions over two resources that do nothing but vote
 * yes. Its journal forces each decision, those of several threads in one batch.
 *
 * <p>BitronixPeer DIRECTORY THREADS WARM_UP_MS WINDOW_MS prints "TRANSACTIONS SECONDS P50 P90 P99 P99_9",
 * the last four in microseconds.
 */
public final class BitronixPeer {
  /** One resource manager; it agrees to everything. */
  private static final class Agreeing implements XAResource {
    @Override public void start(Xid xid, int flags) {}
    @Override public void end(Xid xid, int flags) {}
    @Override public int prepare(Xid xid) { return XA_OK; }
    @Override public void commit(Xid xid, boolean onePhase) {}
    @Override public void rollback(Xid xid) {}
    @Override public void forget(Xid xid) {}
    @Override public Xid[] recover(int flags) { return new Xid[0]; }
    @Override public boolean isSameRM(XAResource other) { return other == this; }
    @Override public int getTransactionTimeout() { return 0; }
    @Override public boolean setTransactionTimeout(int seconds) { return false; }
  }

  private static final AtomicReference<Throwable> failure = new AtomicReference<>();
  private static volatile boolean counting;
  private static volatile boolean stop;

  private static BitronixTransactionManager start(String directory) {
    Configuration configuration = TransactionManagerServices.getConfiguration();
    configuration.setServerId("cairn-bench");
    configuration.setLogPart1Filename(directory + "/part1.btm");
    configuration.setLogPart2Filename(directory + "/part2.btm");
    configuration.setMaxLogSizeInMb(32);
    configuration.setForcedWriteEnabled(true);
    configuration.setForceBatchingEnabled(true);
    configuration.setDisableJmx(true);
    configuration.setBackgroundRecoveryIntervalSeconds(3600);
    return TransactionManagerServices.getTransactionManager();
  }

  /** Microseconds of each commit that began while it was counted. */
  private static long[] loop(BitronixTransactionManager manager, Agreeing[] resources, CountDownLatch ready) {
    long[] took = new long[1 << 12];
    int done = 0;
    ready.countDown();
    try {
      while (!stop) {
        boolean counts = counting;
        long begin = System.nanoTime();
        manager.begin();
        for (Agreeing resource : resources) {
          manager.getTransaction().enlistResource(resource);
        }
        manager.commit();
        if (!counts) {
          continue;
        }
        if (done == took.length) {
          took = Arrays.copyOf(took, 2 * done);
        }
        took[done++] = System.nanoTime() - begin;
      }
    } catch (Throwable thrown) {
      failure.set(thrown);
      stop = true;
    }
    return Arrays.copyOf(took, done);
  }

  private static double at(long[] ascending, double fraction) {
    return ascending.length == 0 ? 0 : ascending[(int) ((ascending.length - 1) * fraction)] / 1e3;
  }

  public static void main(String[] arguments) throws Exception {
    int threads = Integer.parseInt(arguments[1]);
    BitronixTransactionManager manager = start(arguments[0]);
    Agreeing[] resources = {new Agreeing(), new Agreeing()};
    for (int i = 0; i < resources.length; ++i) {
      EhCacheXAResourceProducer.registerXAResource("rm" + i, resources[i]);
    }
    long[][] latencies = new long[threads][];
    CountDownLatch ready = new CountDownLatch(threads);
    Thread[] workers = new Thread[threads];
    for (int i = 0; i < threads; ++i) {
      int own = i;
      workers[i] = new Thread(() -> latencies[own] = loop(manager, resources, ready));
      workers[i].start();
    }
    ready.await();
    Thread.sleep(Long.parseLong(arguments[2]));
    long begin = System.nanoTime();
    counting = true;
    Thread.sleep(Long.parseLong(arguments[3]));
    stop = true;
    for (Thread worker : workers) {
      worker.join();
    }
    double seconds = (System.nanoTime() - begin) / 1e9;
    if (failure.get() != null) {
      failure.get().printStackTrace();
      System.exit(1);
    }
    long[] all = Arrays.stream(latencies).flatMapToLong(Arrays::stream).sorted().toArray();
    System.out.printf(java.util.Locale.ROOT, "%d %.6f %.1f %.1f %.1f %.1f%n", all.length, seconds, at(all, 0.5), at(all, 0.9), at(all, 0.99),
        at(all, 0.999));
    manager.shutdown();
  }
}
